//! The path claims of every domain, ready to be asked.

use std::collections::BTreeMap;

use watchglass_claims::{GlobError, PathClaims, Product};

/// The path claims of a product in one run, placeholders filled in.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    by_domain: BTreeMap<String, DomainPaths>,
}

/// The path claims of one domain.
#[derive(Debug, Default)]
pub(crate) struct DomainPaths {
    /// What it may open for reading.
    pub(crate) reads: PathClaims,
    /// What it may write.
    pub(crate) writes: PathClaims,
    /// What it may run.
    pub(crate) executes: PathClaims,
}

impl Claimed {
    /// Prepares a product's claims.
    ///
    /// # Errors
    /// [`GlobError`] where a placeholder was not filled in.
    pub(crate) fn of(product: &Product) -> Result<Self, GlobError> {
        let mut by_domain = BTreeMap::new();
        for (name, domain) in &product.domains {
            let paths = DomainPaths {
                reads: product.read_claims(domain)?,
                writes: domain.write_claims()?,
                executes: product.execute_claims(domain)?,
            };
            by_domain.insert(name.clone(), paths);
        }
        Ok(Self { by_domain })
    }

    /// The claims of a domain; of none, nothing is claimed.
    #[must_use]
    pub(crate) fn get(&self, domain: Option<&str>) -> Option<&DomainPaths> {
        self.by_domain.get(domain?)
    }

    /// Whether any domain claims to write a path.
    #[must_use]
    pub(crate) fn any_writes(&self, path: &[u8]) -> bool {
        self.by_domain.values().any(|domain| covers(&domain.writes, path))
    }
}

/// Whether a claim covers a file, or all that is in a folder.
#[must_use]
pub(crate) fn covers(claims: &PathClaims, path: &[u8]) -> bool {
    let below = [path.strip_suffix(b"/").unwrap_or(path), b"/x"].concat();
    claims.matches(path) || claims.matches(&below)
}
