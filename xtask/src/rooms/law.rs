//! `deny.toml` where cargo-deny is not installed: licences, sources, wrappers, read from the same
//! file and with the same meaning (cargo-deny book, sections licenses, sources, bans).

use std::collections::BTreeSet;

use serde::Deserialize;
use spdx::{Expression, ParseMode};

use super::workspace::{Package, Workspace};
use super::{Finding, Rule};
use crate::trouble::Trouble;

/// Checks every crate that is built for this machine against `deny.toml`.
///
/// # Errors
/// When `deny.toml` cannot be read or says what is not understood.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Trouble> {
    let path = workspace.root().join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(Trouble::file(&path))?;
    let law: Law = toml::from_str(&text)
        .map_err(|error| Trouble::Content { path, says: error.to_string() })?;
    let mut broken = bans(&law, workspace);
    for package in workspace.packages() {
        broken.extend(licence(&law, package));
        broken.extend(source(&law, package));
    }
    Ok(broken)
}

fn licence(law: &Law, package: &Package) -> Option<Finding> {
    let Some(text) = &package.license else {
        return Some(Rule::Law.broken(named(package), "says no licence in its manifest"));
    };
    let says = match Expression::parse_mode(text, ParseMode::LAX) {
        Ok(expression) if is_allowed(law, package, &expression) => return None,
        Ok(_) => format!("its licence `{text}` is not allowed by deny.toml"),
        Err(error) => format!("its licence `{text}` is no SPDX expression: {}", error.reason),
    };
    Some(Rule::Law.broken(named(package), says))
}

fn is_allowed(law: &Law, package: &Package, expression: &Expression) -> bool {
    let exceptions = law.licenses.exceptions.iter();
    let exception = exceptions.filter(|exception| exception.name == package.name);
    let exception: BTreeSet<_> = exception.flat_map(|exception| &exception.allow).collect();
    expression.evaluate(|requirement| {
        let name = requirement.to_string();
        law.licenses.allow.contains(&name) || exception.contains(&name)
    })
}

fn source(law: &Law, package: &Package) -> Option<Finding> {
    let source = package.source.as_deref()?; // none: a folder of the workspace
    let registry = source.strip_prefix("registry+");
    let is_known = |known: &String| registry == Some(known.as_str());
    if law.sources.allow_registry.iter().any(is_known) {
        return None;
    }
    Some(Rule::Law.broken(named(package), format!("comes from {source}")))
}

/// Whoever uses a banned crate and is not named for it, ours or others': a crate that brings a
/// network stack along is refused like one that asks for it.
fn bans(law: &Law, workspace: &Workspace) -> Vec<Finding> {
    let broken_by = |ban: &Ban| {
        let users = workspace.users_of(&ban.name);
        let strangers = users.filter(|user| !ban.wrappers.contains(&user.name));
        strangers.map(|user| Rule::Law.broken(named(user), ban.says())).collect::<Vec<_>>()
    };
    law.bans.deny.iter().flat_map(broken_by).collect()
}

fn named(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

/// The part of `deny.toml` that is held here.
#[derive(Debug, Deserialize)]
struct Law {
    licenses: Licenses,
    sources: Sources,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<LicenceException>,
}

#[derive(Debug, Deserialize)]
struct LicenceException {
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    allow_registry: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

impl Ban {
    fn says(&self) -> String {
        let by = match self.wrappers.as_slice() {
            [] => "nobody".to_owned(),
            wrappers => wrappers.join(", "),
        };
        format!("depends on {}, which is for {by}: {}", self.name, self.reason)
    }
}
