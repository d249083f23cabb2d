//! Checks a bundle again, offline.
//!
//! The bundle is verified against its signature, and its results are derived from its parts by the
//! same pure function that the assayer used. No network, no clock and no lab code is linked in: the
//! answer depends on the bundle's bytes and on the keys that the reader pinned, on nothing else.
#![forbid(unsafe_code)]

mod pins;

use std::path::Path;

pub use pins::{PinError, Pins};

use thiserror::Error;
use watchglass_checks::results::{CheckResult, Results, State};
use watchglass_checks::{Case, CaseError};
use watchglass_evidence::{
    Attribute, BundleError, DocumentError, PublicKey, RESULTS, SignedBy, Subject, UnverifiedBundle,
    to_canonical,
};
use watchglass_store::StoreError;

/// What a bundle says when it is checked again, and who says so.
#[derive(Clone, Debug)]
pub struct Rechecked {
    /// The results, derived here and now, and equal to the bundle's own byte for byte.
    pub results: Results,
    /// Who signed the bundle.
    pub signed_by: SignedBy,
}

/// Why a bundle is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecheckError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not what its signer signed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its parts make no sense.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Its results could not be written down, which no evidence can cause.
    #[error("results.json")]
    Document(#[from] DocumentError),
    /// Its results are not those that follow from its parts.
    #[error(
        "{name} does not follow from the evidence: line {line} is {found}, derived here {derived}"
    )]
    Differs {
        /// `results.json` or `report.html`.
        name: &'static str,
        /// The first line that differs, from 1.
        line: usize,
        /// What the bundle says there.
        found: String,
        /// What follows from the evidence.
        derived: String,
    },
    /// Its envelope says something else of the checks than its results.
    #[error("envelope.json: its attributes are not those that follow from the evidence")]
    Attributes,
}

/// Reads, verifies and derives again.
///
/// # Errors
/// A [`RecheckError`] that names the file. A verdict of *broken* is no error.
pub fn recheck(folder: &Path, pinned: &[PublicKey]) -> Result<Rechecked, RecheckError> {
    recheck_files(watchglass_store::read_bundle(folder)?, pinned)
}

/// Verifies and derives again what was read already.
///
/// # Errors
/// As [`recheck`].
pub fn recheck_files(
    files: UnverifiedBundle,
    pinned: &[PublicKey],
) -> Result<Rechecked, RecheckError> {
    let bundle = files.verify(pinned)?;
    let results = watchglass_checks::derive(&Case::open(&bundle)?);
    let derived = to_canonical(&results)?;
    same("results.json", bundle.results(), &derived)?;
    same("report.html", bundle.report(), watchglass_report::page(&results).as_bytes())?;
    if bundle.statement().predicate.attributes != attributes(&results, &derived) {
        return Err(RecheckError::Attributes);
    }
    Ok(Rechecked { results, signed_by: bundle.signed_by() })
}

/// What the envelope says of each check, for tools that read SCAI and not our results. `bytes` are
/// those of `results.json`.
#[must_use]
pub fn attributes(results: &Results, bytes: &[u8]) -> Vec<Attribute> {
    let evidence = Subject::of(RESULTS, bytes);
    let attribute = |check: &CheckResult| Attribute {
        attribute: format!("{}: {}", check.id, check.state),
        evidence: evidence.clone(),
    };
    results.checks.iter().map(attribute).collect()
}

fn same(name: &'static str, found: &[u8], derived: &[u8]) -> Result<(), RecheckError> {
    if found == derived {
        return Ok(());
    }
    let mut lines = found.split(|byte| *byte == b'\n').zip(derived.split(|byte| *byte == b'\n'));
    let line = lines.position(|(one, other)| one != other);
    let excerpt = |bytes: &[u8]| {
        let line = bytes.split(|byte| *byte == b'\n').nth(line.unwrap_or(usize::MAX));
        let text = String::from_utf8_lossy(line.unwrap_or(b"(its end)")).into_owned();
        format!("`{}`", text.trim().chars().take(120).collect::<String>().escape_debug())
    };
    let (found, derived) = (excerpt(found), excerpt(derived));
    Err(RecheckError::Differs { name, line: line.map_or(0, |line| line + 1), found, derived })
}

/// The exit code of a verdict: 0 kept, 1 broken, 3 inconclusive.
#[must_use]
pub fn exit_code(state: State) -> u8 {
    match state {
        State::Kept => 0,
        State::Broken => 1,
        State::Inconclusive | State::NotTested => 3,
    }
}

/// Whose key it is, in one sentence.
#[must_use]
pub fn whose_key(signed_by: SignedBy, pins: &Pins) -> String {
    match signed_by {
        SignedBy::Pinned(key) => match pins.name(key) {
            Some(name) => format!("signed by {name} with {key}, which you pinned"),
            None => format!("signed by {key}, which you pinned"),
        },
        SignedBy::Unknown(key) => format!(
            "signed by {key}, which nobody vouches for here; pin it with --key or --keys once you know whose it is"
        ),
    }
}
