//! Where the Authenticode signature is, and which bytes it signs.

use std::ops::Range;

use thiserror::Error;

use super::{DataDirectory, Pe};

/// `WIN_CERTIFICATE`: length, revision, type.
const CERTIFICATE_HEADER: usize = 8;
const WIN_CERT_REVISION_2_0: u16 = 0x0200;
const WIN_CERT_TYPE_PKCS_SIGNED_DATA: u16 = 2;

/// What is signed, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticode {
    /// The bytes of the file that the digest is taken of, in this order. Without a signature too:
    /// digests of catalogues are of the same bytes.
    pub signed: Vec<Range<usize>>,
    /// The PKCS #7 structure, without the header before it; none in an unsigned file.
    pub certificate: Option<Range<usize>>,
    /// The table's first certificate is as long as the table. If not, something nobody signed is
    /// hidden behind it (MS13-098).
    pub fills_its_table: bool,
}

/// Why nothing can be verified.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticodeError {
    /// The headers that would be signed are not all there.
    #[error("the headers are not complete")]
    Headers,
    /// Certificates have to be the last in the file.
    #[error("the certificates do not end with the file")]
    NotLast,
    /// Certificates are within the headers.
    #[error("the certificates overlap the headers")]
    Overlap,
    /// Another revision or type than PKCS #7 of revision 2.
    #[error("a certificate of revision {revision:#x}, type {kind}")]
    Unsupported {
        /// `wRevision`.
        revision: u16,
        /// `wCertificateType`.
        kind: u16,
    },
}

impl Pe<'_> {
    /// What an Authenticode digest is taken of: *Windows Authenticode Portable Executable Signature
    /// Format*, all but the checksum, the entry of the certificates, and these themselves.
    ///
    /// # Errors
    /// [`AuthenticodeError`]: no loader would accept such a signature.
    pub fn authenticode(&self) -> Result<Authenticode, AuthenticodeError> {
        let places = self.header.places_not_signed();
        let (check_sum, entry) = places.ok_or(AuthenticodeError::Headers)?;
        let after_sum = check_sum.saturating_add(4);
        let after_entry = entry.saturating_add(8);
        let headers = usize::try_from(self.header.size_of_headers).unwrap_or(usize::MAX);
        if after_entry > headers.min(self.bytes.len()) {
            return Err(AuthenticodeError::Headers);
        }
        let table = self.header.directory(DataDirectory::CERTIFICATE);
        let start = usize::try_from(table.virtual_address).unwrap_or(usize::MAX);
        let size = usize::try_from(table.size).unwrap_or(usize::MAX);
        let mut signed = vec![0..check_sum, after_sum..entry];
        if start == 0 {
            signed.push(after_entry..self.bytes.len());
            return Ok(Authenticode { signed, certificate: None, fills_its_table: true });
        }
        if start.saturating_add(size) != self.bytes.len() {
            return Err(AuthenticodeError::NotLast);
        }
        if start < after_entry {
            return Err(AuthenticodeError::Overlap);
        }
        signed.push(after_entry..start);
        let fills_its_table = self.certificate_length(table)? == table.size;
        let certificate = start.saturating_add(CERTIFICATE_HEADER)..self.bytes.len();
        Ok(Authenticode { signed, certificate: Some(certificate), fills_its_table })
    }

    fn certificate_length(&self, table: DataDirectory) -> Result<u32, AuthenticodeError> {
        let cut = AuthenticodeError::NotLast;
        let mut header = self.reader(table.virtual_address).ok_or(cut)?;
        let length = header.u32_le("dwLength").map_err(|_| cut)?;
        let revision = header.u16_le("wRevision").map_err(|_| cut)?;
        let kind = header.u16_le("wCertificateType").map_err(|_| cut)?;
        if revision != WIN_CERT_REVISION_2_0 || kind != WIN_CERT_TYPE_PKCS_SIGNED_DATA {
            return Err(AuthenticodeError::Unsupported { revision, kind });
        }
        Ok(length)
    }
}
