//! Reads policies, product files and verdicts.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use watchglass_claims::{Identity, Product, render_problems as render_product_problems};
use watchglass_events::{Digest, Name};
use watchglass_policy::{Exhibit, MAX_POLICY_BYTES, Moment, Policy, Verdict, render_problems};

/// A product file: what it says of the product, and its digest.
pub(crate) struct ProductFile {
    pub(crate) identity: Identity,
    pub(crate) digest: Digest,
}

/// A path as it may be printed.
pub(crate) fn shown(path: &Path) -> String {
    Name::new(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Reads a policy, or tells every mistake in it.
pub(crate) fn policy(path: &Path) -> Result<Policy, Box<dyn Error>> {
    let bytes = file(path, MAX_POLICY_BYTES)?;
    Policy::parse(&bytes).map_err(|problems| {
        format!("this policy decides nothing\n{}", render_problems(&shown(path), &problems)).into()
    })
}

/// Reads a product file, or tells every mistake in it.
pub(crate) fn product(path: &Path) -> Result<ProductFile, Box<dyn Error>> {
    let bytes = file(path, watchglass_claims::MAX_FILE_BYTES)?;
    let product = Product::parse_bytes(&bytes).map_err(|problems| {
        let text = String::from_utf8_lossy(&bytes);
        format!("{} is no product file\n{}", shown(path), render_product_problems(&problems, &text))
    })?;
    Ok(ProductFile { identity: product.product, digest: Digest::of(&bytes) })
}

/// Reads a verdict. One whose signature does not hold, or that is no verdict, counts for nobody and is
/// carried along to be shown.
///
/// # Errors
/// When it cannot be read at all: then nobody knows what it would have said.
pub(crate) fn verdict(path: &Path) -> Result<Exhibit, Box<dyn Error>> {
    let files = watchglass_store::read_results(path)
        .map_err(|error| format!("{}: {}", shown(path), crate::in_one_line(&error)))?;
    let verdict = files
        .verify_results()
        .map_err(|error| crate::in_one_line(&error))
        .and_then(|signed| Verdict::read(&signed).map_err(|error| crate::in_one_line(&error)));
    Ok(Exhibit { name: shown(path), verdict })
}

/// Reads all verdicts, of which there are not too many.
pub(crate) fn verdicts(paths: &[PathBuf]) -> Result<Vec<Exhibit>, Box<dyn Error>> {
    if paths.len() > MAX_VERDICTS {
        return Err(format!("{} verdicts, limit {MAX_VERDICTS}", paths.len()).into());
    }
    paths.iter().map(|path| verdict(path)).collect()
}

/// A file of at most this size.
pub(crate) fn file(path: &Path, limit: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let wrong = |error: std::io::Error| format!("{}: {error}", shown(path));
    let opened = File::open(path).map_err(wrong)?;
    let mut bytes = Vec::new();
    let more = u64::try_from(limit)?.saturating_add(1);
    opened.take(more).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > limit {
        return Err(format!("{}: more than {limit} bytes", shown(path)).into());
    }
    Ok(bytes)
}

/// What the machine says. A clock before 1970 says nothing; whether it is behind is for the policy.
pub(crate) fn clock() -> Option<Moment> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Moment::from_unix(now.as_secs()))
}

/// Each is held against each rule.
const MAX_VERDICTS: usize = 64;
