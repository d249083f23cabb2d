//! The JSON documents of a bundle. Each has one spelling: [`to_canonical`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use watchglass_events::{Digest, Tier};

use crate::part::PartName;

/// Largest JSON document in bytes, but for `results.json` and `inventory.jsonl`.
const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// Longest line of a JSON-lines document in bytes.
const MAX_LINE_BYTES: usize = 64 << 10;

/// What is wrong with a document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is larger than any honest one.
    #[error("{bytes} bytes, limit {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is no JSON of the expected shape.
    #[error("{0}")]
    Shape(String),
    /// It says the right thing in another spelling.
    #[error("not in its one spelling")]
    Spelling,
}

/// The one spelling of a document: keys in the order of its type, two spaces, a newline at the end.
///
/// # Errors
/// [`DocumentError::Shape`] if a map has keys that are no strings, which no document of ours has.
pub fn to_canonical<T: Serialize>(document: &T) -> Result<Vec<u8>, DocumentError> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(shape)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a document and refuses any other spelling of it.
///
/// # Errors
/// [`DocumentError`] for one that is too large, no JSON of the expected shape, or spelt otherwise.
pub fn parse_document<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge { bytes: bytes.len(), limit: MAX_DOCUMENT_BYTES });
    }
    let document: T = serde_json::from_slice(bytes).map_err(shape)?;
    if to_canonical(&document)? == bytes { Ok(document) } else { Err(DocumentError::Spelling) }
}

/// The one spelling of a list: one compact document a line.
///
/// # Errors
/// As [`to_canonical`].
pub fn to_lines<T: Serialize>(documents: &[T]) -> Result<Vec<u8>, DocumentError> {
    let mut bytes = Vec::new();
    for document in documents {
        bytes.extend(serde_json::to_vec(document).map_err(shape)?);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Reads a list and refuses any other spelling of it.
///
/// # Errors
/// [`DocumentError`] for a line that is too long, no JSON, or spelt otherwise.
pub fn parse_lines<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, DocumentError> {
    let mut documents = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.len() > MAX_LINE_BYTES {
            return Err(DocumentError::TooLarge { bytes: line.len(), limit: MAX_LINE_BYTES });
        }
        documents.push(serde_json::from_slice::<T>(line).map_err(shape)?);
    }
    if to_lines(&documents)? == bytes { Ok(documents) } else { Err(DocumentError::Spelling) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn shape(error: serde_json::Error) -> DocumentError {
    DocumentError::Shape(error.to_string())
}

/// `manifest.json`: every part with its size and digest, in order of name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the bundle layout: 1.
    pub schema: u32,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its place in the bundle.
    pub name: PartName,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

impl Part {
    /// Describes a part by its bytes.
    #[must_use]
    pub fn of(name: PartName, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { name, bytes: size, sha256: Digest::of(bytes).to_string() }
    }
}

/// `campaign.json`: what was run, how, and why so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Version of this document: 1.
    pub schema: u32,
    /// The program that ran the campaign, with its version.
    pub assayer: String,
    /// Seconds since 1970 when it began.
    pub began_unix_seconds: u64,
    /// What the world was made of.
    pub world: WorldKind,
    /// What stood for the internet.
    pub network: Network,
    /// Tier of the kernel sensor.
    pub tier: Tier,
    /// The runs, in order.
    pub runs: Vec<PlannedRun>,
    /// What the lab chose by itself, and why.
    pub choices: Vec<Choice>,
    /// Every other argument of the assay that the evidence depends on, such as the bait's size.
    pub bait_files: u32,
    /// How much faster the clock of an idle phase was to run while no flow is open; 1 where it could
    /// not. How it ran stands in the lab's log.
    pub idle_speed: u32,
    /// Version of what makes the bait from its seed: another one makes other bytes.
    pub bait_generator: u32,
}

/// A run as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// `A1`, `A2`, `B`, `C`, `S`.
    pub name: String,
    /// Seed of the bait and of the identity, as 64 hexadecimal digits.
    pub seed: String,
    /// Whether the world is the one of the run before.
    pub same_world: bool,
    /// Whether anything answers on the network.
    pub network: bool,
    /// Whether the product file's `[[configuration]]` is laid over.
    pub configured: bool,
    /// The phases that run, by name.
    pub phases: Vec<String>,
}

/// Something the lab chose by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What was chosen.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldKind {
    /// A root of Debian packages, in namespaces.
    Debian,
    /// The host's own root, in namespaces.
    Host,
    /// No namespaces: the product ran among the host's processes.
    InPlace,
}

/// What stands for the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing answers.
    None,
    /// The scenario plays the vendor.
    Vendor,
    /// The real internet, recorded.
    Real,
}

/// `environment.json`: where the campaign ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Version of this document: 1.
    pub schema: u32,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub architecture: String,
    /// Number of processors; 0 where the assayer keeps it to himself.
    pub processors: u32,
    /// Bytes of memory; 0 where the assayer keeps it to himself.
    pub memory_bytes: u64,
    /// Locale of the world.
    pub locale: String,
    /// Programs that made the evidence, each with its digest.
    pub tools: Vec<Tool>,
}

/// A program that made evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version, where it tells.
    pub version: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// A package of the product, in `inventory.jsonl` under the key `package`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether the product file names it, as opposed to what it depends on.
    pub named: bool,
}

/// A line of `inventory.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum InventoryFile {
    /// A package.
    Package(Package),
    /// A file of the product.
    File {
        /// Path in the world, control characters shown as codes.
        path: String,
        /// Size in bytes.
        bytes: u64,
        /// SHA-256 of the content.
        sha256: String,
    },
}

/// The in-toto statement that the envelope signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// The documents that are signed.
    pub subject: Vec<Subject>,
    /// `https://in-toto.io/attestation/scai/attribute-report/v0.2`.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The checks' results as SCAI attributes.
    pub predicate: Predicate,
}

/// The body of a SCAI attribute report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// One for each check.
    pub attributes: Vec<Attribute>,
}

/// One check's result as a SCAI attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// `CHECK: state`.
    pub attribute: String,
    /// Where the evidence stands.
    pub evidence: Subject,
}

/// A document by name and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its place in the bundle.
    pub name: String,
    /// Its digest.
    pub digest: DigestSet,
}

/// The digests of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestSet {
    /// SHA-256.
    pub sha256: String,
}

impl Subject {
    /// Describes a document by its bytes.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        let digest = DigestSet { sha256: Digest::of(bytes).to_string() };
        Self { name: name.to_owned(), digest }
    }
}

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/scai/attribute-report/v0.2";

impl Statement {
    /// A statement about these documents.
    #[must_use]
    pub fn new(subject: Vec<Subject>, attributes: Vec<Attribute>) -> Self {
        let (kind, predicate_type) = (STATEMENT_TYPE.to_owned(), PREDICATE_TYPE.to_owned());
        Self { kind, subject, predicate_type, predicate: Predicate { attributes } }
    }

    /// Whether this is a statement of the only type that bundles carry.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.kind == STATEMENT_TYPE && self.predicate_type == PREDICATE_TYPE
    }

    /// Whether no two subjects bear the same name, of which one reader takes the first and another
    /// the last.
    #[must_use]
    pub fn names_each_once(&self) -> bool {
        let mut names = std::collections::BTreeSet::new();
        self.subject.iter().all(|subject| names.insert(&subject.name))
    }

    /// The digest that the statement gives for a document.
    #[must_use]
    pub fn digest_of(&self, name: &str) -> Option<&str> {
        let subject = self.subject.iter().find(|subject| subject.name == name)?;
        Some(&subject.digest.sha256)
    }
}
