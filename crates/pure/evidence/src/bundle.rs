//! A bundle before and after it was verified.

use std::collections::BTreeMap;

use thiserror::Error;
use watchglass_events::Digest;

use crate::document::{self, DocumentError, Manifest, Statement};
use crate::envelope::{Envelope, EnvelopeError, PublicKey, SignedBy};
use crate::part::PartName;

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// Name of the envelope.
pub const ENVELOPE: &str = "envelope.json";
/// Name of the results.
pub const RESULTS: &str = "results.json";
/// Name of the report.
pub const REPORT: &str = "report.html";

/// The files of a bundle as somebody alleges them.
#[derive(Clone, Debug, Default)]
pub struct UnverifiedBundle {
    files: BTreeMap<PartName, Vec<u8>>,
}

/// A bundle whose files are those that its key signed.
#[derive(Clone, Debug)]
pub struct Bundle {
    parts: BTreeMap<PartName, Vec<u8>>,
    results: Vec<u8>,
    report: Vec<u8>,
    statement: Statement,
    signed_by: SignedBy,
}

/// The results of a bundle as its key signed them, without the evidence they follow from: what an
/// assayer vouches for.
#[derive(Clone, Debug)]
pub struct SignedResults {
    results: Vec<u8>,
    key: PublicKey,
}

/// What is wrong with a bundle. Each variant names the file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleError {
    /// A file that every bundle has is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file that the manifest does not name.
    #[error("{0} is not in the manifest")]
    Unlisted(PartName),
    /// A file is not the one that was signed.
    #[error("{name} was changed: its SHA-256 is {found}, {signed} was signed")]
    Changed {
        /// Which file.
        name: String,
        /// Digest of the file that is there.
        found: Digest,
        /// Digest that the manifest or the envelope gives.
        signed: String,
    },
    /// The envelope is wrong.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The manifest is no manifest.
    #[error("manifest.json")]
    Manifest(#[source] DocumentError),
    /// The manifest is of a version that this program does not know.
    #[error("manifest.json: layout version {0}; this program knows 1")]
    Version(u32),
    /// The manifest gives a part another size than it has.
    #[error("manifest.json: {0} has another size than it says")]
    Size(PartName),
    /// The manifest names parts twice or out of order.
    #[error("manifest.json: parts are not in order of name, each once, at {0}")]
    Order(PartName),
}

impl UnverifiedBundle {
    /// Adds a file that was read.
    pub fn insert(&mut self, name: PartName, bytes: Vec<u8>) {
        self.files.insert(name, bytes);
    }

    /// Checks every file against the manifest, the manifest, results and report against the
    /// envelope, and the envelope against its key.
    ///
    /// # Errors
    /// The first [`BundleError`], which names the file.
    pub fn verify(mut self, pinned: &[PublicKey]) -> Result<Bundle, BundleError> {
        let envelope = Envelope::parse(&self.take(ENVELOPE)?)?;
        let (statement, signed_by) = envelope.verify(pinned)?;
        if !statement.names_each_once() {
            return Err(EnvelopeError::Field("the statement names a document twice").into());
        }
        let manifest = self.signed(MANIFEST, &statement)?;
        let results = self.signed(RESULTS, &statement)?;
        let report = self.signed(REPORT, &statement)?;
        let manifest: Manifest =
            document::parse_document(&manifest).map_err(BundleError::Manifest)?;
        let parts = self.listed(&manifest)?;
        Ok(Bundle { parts, results, report, statement, signed_by })
    }

    /// Checks the results alone against the envelope, and the envelope against the key that it names,
    /// which may be anybody's. Other files are not looked at.
    ///
    /// # Errors
    /// The first [`BundleError`], which names the file.
    pub fn verify_results(mut self) -> Result<SignedResults, BundleError> {
        let envelope = Envelope::parse(&self.take(ENVELOPE)?)?;
        let (statement, signed_by) = envelope.verify(&[])?;
        if !statement.names_each_once() {
            return Err(EnvelopeError::Field("the statement names a document twice").into());
        }
        let results = self.signed(RESULTS, &statement)?;
        let (SignedBy::Pinned(key) | SignedBy::Unknown(key)) = signed_by;
        Ok(SignedResults { results, key })
    }

    fn take(&mut self, name: &str) -> Result<Vec<u8>, BundleError> {
        let missing = || BundleError::Missing(name.to_owned());
        let name = PartName::parse(name).map_err(|_| missing())?;
        self.files.remove(&name).ok_or_else(missing)
    }

    fn signed(&mut self, name: &str, statement: &Statement) -> Result<Vec<u8>, BundleError> {
        let bytes = self.take(name)?;
        let signed = statement
            .digest_of(name)
            .ok_or(EnvelopeError::Field("the statement leaves out a document of the bundle"))?;
        unchanged(name, &bytes, signed)?;
        Ok(bytes)
    }

    fn listed(mut self, manifest: &Manifest) -> Result<BTreeMap<PartName, Vec<u8>>, BundleError> {
        if manifest.schema != 1 {
            return Err(BundleError::Version(manifest.schema));
        }
        let mut parts = BTreeMap::new();
        let mut last: Option<&PartName> = None;
        for part in &manifest.parts {
            if last.is_some_and(|last| last >= &part.name) {
                return Err(BundleError::Order(part.name.clone()));
            }
            last = Some(&part.name);
            let bytes = self.take(part.name.as_str())?;
            unchanged(part.name.as_str(), &bytes, &part.sha256)?;
            if u64::try_from(bytes.len()) != Ok(part.bytes) {
                return Err(BundleError::Size(part.name.clone()));
            }
            parts.insert(part.name.clone(), bytes);
        }
        match self.files.into_keys().next() {
            Some(extra) => Err(BundleError::Unlisted(extra)),
            None => Ok(parts),
        }
    }
}

fn unchanged(name: &str, bytes: &[u8], signed: &str) -> Result<(), BundleError> {
    let found = Digest::of(bytes);
    if found.to_string() == signed {
        return Ok(());
    }
    let (name, signed) = (name.to_owned(), signed.to_owned());
    Err(BundleError::Changed { name, found, signed })
}

impl Bundle {
    /// The evidence, by name.
    #[must_use]
    pub fn parts(&self) -> &BTreeMap<PartName, Vec<u8>> {
        &self.parts
    }

    /// The results that the assayer derived.
    #[must_use]
    pub fn results(&self) -> &[u8] {
        &self.results
    }

    /// The report that the assayer derived.
    #[must_use]
    pub fn report(&self) -> &[u8] {
        &self.report
    }

    /// What was signed.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Who signed it.
    #[must_use]
    pub fn signed_by(&self) -> SignedBy {
        self.signed_by
    }
}

impl SignedResults {
    /// The bytes of `results.json`.
    #[must_use]
    pub fn results(&self) -> &[u8] {
        &self.results
    }

    /// The key that signed them. Anyone can make one.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::document::{Part, Subject, to_canonical};

    fn name(text: &str) -> PartName {
        PartName::parse(text).unwrap()
    }

    fn files() -> BTreeMap<PartName, Vec<u8>> {
        files_signed(|_| {})
    }

    fn files_signed(change: impl Fn(&mut Vec<Subject>)) -> BTreeMap<PartName, Vec<u8>> {
        let log = b"evidence".to_vec();
        let parts = vec![Part::of(name("runs/A1/lab.log"), &log)];
        let manifest = to_canonical(&Manifest { schema: 1, parts }).unwrap();
        let (results, report) = (b"{}\n".to_vec(), b"<p>".to_vec());
        let subjects = [(MANIFEST, &manifest), (RESULTS, &results), (REPORT, &report)];
        let mut subjects = subjects.map(|(name, bytes)| Subject::of(name, bytes)).to_vec();
        change(&mut subjects);
        let payload = to_canonical(&Statement::new(subjects, Vec::new())).unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = key.sign(&Envelope::to_be_signed(&payload)).to_bytes();
        let public = PublicKey::from_bytes(key.verifying_key().to_bytes());
        let envelope = to_canonical(&Envelope::new(&payload, public, signature)).unwrap();
        let named = [
            (MANIFEST, manifest),
            (RESULTS, results),
            (REPORT, report),
            (ENVELOPE, envelope),
            ("runs/A1/lab.log", log),
        ];
        named.into_iter().map(|(text, bytes)| (name(text), bytes)).collect()
    }

    fn verify(files: BTreeMap<PartName, Vec<u8>>) -> Result<Bundle, BundleError> {
        UnverifiedBundle { files }.verify(&[])
    }

    #[test]
    fn accepts_what_was_signed_and_says_that_the_key_is_unknown() {
        let bundle = verify(files()).unwrap();
        assert!(matches!(bundle.signed_by(), SignedBy::Unknown(_)));
        assert_eq!(bundle.parts().len(), 1);
    }

    #[test]
    fn refuses_a_flipped_bit_in_any_file_and_names_the_file() {
        for (target, bytes) in files() {
            for bit in 0..bytes.len() * 8 {
                let mut changed = files();
                changed.get_mut(&target).unwrap()[bit / 8] ^= 1 << (bit % 8);
                let error = verify(changed).expect_err("a changed bundle");
                assert!(error.to_string().contains(target.as_str()), "{target} bit {bit}: {error}");
            }
        }
    }

    #[test]
    fn results_alone_are_those_that_were_signed() {
        let mut two = files();
        two.retain(|name, _| matches!(name.as_str(), ENVELOPE | RESULTS));
        let signed = UnverifiedBundle { files: two.clone() }.verify_results().unwrap();
        assert_eq!(signed.results(), b"{}\n");
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert_eq!(signed.key(), PublicKey::from_bytes(key));
        for (target, bytes) in &two {
            for bit in 0..bytes.len() * 8 {
                let mut files = two.clone();
                files.get_mut(target).unwrap()[bit / 8] ^= 1 << (bit % 8);
                let error = UnverifiedBundle { files }.verify_results().expect_err("a flipped bit");
                assert!(error.to_string().contains(target.as_str()), "{target} bit {bit}: {error}");
            }
        }
    }

    #[test]
    fn refuses_what_is_missing_or_extra() {
        for target in files().into_keys() {
            let mut fewer = files();
            fewer.remove(&target);
            assert_eq!(verify(fewer).unwrap_err(), BundleError::Missing(target.to_string()));
        }
        let mut more = files();
        more.insert(name("extra"), Vec::new());
        assert_eq!(verify(more).unwrap_err(), BundleError::Unlisted(name("extra")));
    }

    #[test]
    fn refuses_a_statement_that_could_be_read_two_ways() {
        let other = Subject::of(MANIFEST, b"another manifest");
        let changed = files_signed(|subjects| subjects.push(other.clone()));
        let error = verify(changed).unwrap_err();
        assert!(error.to_string().contains("names a document twice"), "{error}");
    }

    #[test]
    fn refuses_a_valid_signature_of_a_key_that_is_not_pinned() {
        let other = PublicKey::from_bytes([1; 32]);
        let error = UnverifiedBundle { files: files() }.verify(&[other]).unwrap_err();
        assert!(matches!(error, BundleError::Envelope(EnvelopeError::NotPinned(_))));
    }
}
