//! The lab's certificate authority.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::control::FakenetError;

/// The lab's certificate authority: made once for a campaign, trusted by the world, and by nobody
/// else.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
    /// The clock it was made by; its certificates are valid around it.
    unix_seconds: i64,
}

impl Authority {
    /// Makes an authority with a fresh key. Its certificates are valid from 10 years before
    /// `unix_seconds` to 50 years after, since the world's clock may be another.
    ///
    /// # Errors
    /// When the key cannot be made, or the time is out of range.
    pub fn generate(unix_seconds: i64) -> Result<Self, FakenetError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let certificate = authority_parameters(unix_seconds)?.self_signed(&key);
        let certificate_pem = certificate.map_err(certificate_error)?.pem();
        Ok(Self { certificate_pem, key_pem: key.serialize_pem(), unix_seconds })
    }

    /// The certificate that the world's trust store needs, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Prepares to sign certificates.
    pub(crate) fn signer(&self) -> Result<Signer, FakenetError> {
        let authority_key = KeyPair::from_pem(&self.key_pem).map_err(certificate_error)?;
        let parameters = authority_parameters(self.unix_seconds)?;
        let issuer = Issuer::new(parameters, authority_key);
        let leaf_key = KeyPair::generate().map_err(certificate_error)?;
        Ok(Signer { issuer, leaf_key, unix_seconds: self.unix_seconds })
    }
}

/// The key is nobody's business.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Signs certificates for whatever name is asked for. All of them have one key.
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    leaf_key: KeyPair,
    unix_seconds: i64,
}

impl Signer {
    /// A certificate for a host name or an address in text.
    pub(crate) fn sign(&self, name: &str) -> Result<CertificateDer<'static>, FakenetError> {
        let mut parameters = CertificateParams::default();
        let subject = match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into().map_err(certificate_error)?),
        };
        parameters.subject_alt_names = vec![subject];
        // A common name holds 64 bytes (RFC 5280, ub-common-name); clients go by the other field.
        let common_name = if name.len() <= 64 { name } else { "watchglass" };
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        set_validity(&mut parameters, self.unix_seconds)?;
        let certificate = parameters.signed_by(&self.leaf_key, &self.issuer);
        Ok(certificate.map_err(certificate_error)?.der().clone())
    }

    /// The key of every certificate that was signed.
    pub(crate) fn leaf_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()).into()
    }
}

fn authority_parameters(unix_seconds: i64) -> Result<CertificateParams, FakenetError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::OrganizationName, "Watchglass");
    parameters.distinguished_name.push(DnType::CommonName, "Watchglass lab authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut parameters, unix_seconds)?;
    Ok(parameters)
}

fn set_validity(parameters: &mut CertificateParams, unix_seconds: i64) -> Result<(), FakenetError> {
    let now = OffsetDateTime::from_unix_timestamp(unix_seconds).ok();
    let from = now.and_then(|now| now.checked_sub(Duration::days(10 * 365)));
    let to = now.and_then(|now| now.checked_add(Duration::days(50 * 365)));
    let (Some(from), Some(to)) = (from, to) else {
        return Err(FakenetError::Certificate("the clock is out of range".to_owned()));
    };
    (parameters.not_before, parameters.not_after) = (from, to);
    Ok(())
}

fn certificate_error(error: rcgen::Error) -> FakenetError {
    FakenetError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_for_names_and_addresses_in_any_decade() {
        for unix_seconds in [1_000_000_000, 1_700_000_000, 4_000_000_000] {
            let authority = Authority::generate(unix_seconds).unwrap();
            let signer = authority.signer().unwrap();
            for name in ["a.example.org", "192.0.2.1", "2001:db8::1", &"long.".repeat(40)] {
                let name = name.trim_end_matches('.');
                assert!(!signer.sign(name).unwrap().is_empty(), "{name}");
            }
            assert!(signer.sign("not ascii \u{e9}").is_err());
        }
        assert!(Authority::generate(i64::MAX).is_err());
    }

    #[test]
    fn the_key_does_not_show() {
        let authority = Authority::generate(1_700_000_000).unwrap();
        assert!(!format!("{authority:?}").contains("KEY"));
    }
}
