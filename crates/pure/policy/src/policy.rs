//! The policy after it was read: every default filled in, every value checked.

use std::collections::{BTreeMap, BTreeSet};

use watchglass_events::Digest;
use watchglass_evidence::PublicKey;

use crate::moment::Moment;

/// Largest policy, and largest list of cases, in bytes.
pub const MAX_POLICY_BYTES: usize = 1 << 20;

/// Oldest verdict that any rule may accept, in seconds: 90 days, which is how long a verdict lives.
pub const MAX_AGE_SECONDS: u64 = 90 * 86_400;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub digest: Digest,
    /// `issued`: a clock that says less than this is wrong.
    pub issued: Moment,
    /// `until`: the last moment at which it decides.
    pub until: Option<Moment>,
    /// `[class.NAME]`: what each class of systems is, in words.
    pub classes: BTreeMap<String, String>,
    /// `[assayer.NAME]`: whose verdicts count, by their keys. No key is there twice.
    pub assayers: BTreeMap<String, Vec<PublicKey>>,
    /// `[[revoked]]`.
    pub revoked: Vec<Revocation>,
    /// `[[overruled]]`: verdicts, by the digest of their results, that are as if they had never been made.
    pub overruled: BTreeMap<Digest, String>,
    /// `[[deny]]`, in the order of the file.
    pub denials: Vec<Deny>,
    /// `[[allow]]`, in the order of the file.
    pub allowances: Vec<Allow>,
}

/// `[[revoked]]`: something that supports nothing any more. What it says against a product still counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What.
    pub what: Revoked,
    /// Why, in words.
    pub reason: String,
}

/// What can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// `verdict`: one verdict, by the digest of its results.
    Verdict(Digest),
    /// `key`: all verdicts that this key signed.
    Key(PublicKey),
    /// `build`: a build of a product, by the digest of its inventory. It is denied.
    Build(Digest),
    /// `product_file`: a set of claims, by the digest of the product file. It is denied.
    ProductFile(Digest),
}

/// Which products a rule is about; what is not said is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `product`: by name.
    pub product: Option<String>,
    /// `vendor`: by maker.
    pub vendor: Option<String>,
}

/// `[[deny]]`: what is not allowed, whatever else the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// `class`: on which classes; empty for all.
    pub classes: BTreeSet<String>,
    /// Which products.
    pub subject: Subject,
    /// `jurisdiction`: makers that the law of one of these countries can compel; empty for all.
    pub jurisdictions: BTreeSet<String>,
    /// `spares_installed_before`: not for what was installed before this moment.
    pub spares_installed_before: Option<Moment>,
    /// `until`: the last moment at which it denies.
    pub until: Option<Moment>,
    /// Why, in words.
    pub reason: String,
}

/// `[[allow]]`: what is allowed where every clause holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// `class`: on which classes, at least one.
    pub classes: BTreeSet<String>,
    /// Which products.
    pub subject: Subject,
    /// `jurisdiction`: only makers of one of these countries; empty for all.
    pub jurisdictions: BTreeSet<String>,
    /// `jurisdiction_other_than`: no makers of these countries.
    pub jurisdictions_refused: BTreeSet<String>,
    /// `installed_before`: only what was installed before this moment.
    pub installed_before: Option<Moment>,
    /// `until`: the last moment at which it allows.
    pub until: Option<Moment>,
    /// What must have been shown.
    pub evidence: Evidence,
    /// Why, in words.
    pub reason: String,
}

/// What must have been shown before a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// `without_verdict = true`: nothing.
    None,
    /// Verdicts of several assayers on the same build.
    Verdicts(Quorum),
}

/// What verdicts must say, and how many assayers must say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// `minimum_grade`.
    pub minimum_grade: u8,
    /// `required_checks`: each is to be kept.
    pub required_checks: BTreeSet<String>,
    /// `assayers.at_least`: how many, each by a campaign of his own.
    pub at_least: usize,
    /// `assayers.of`: whose verdicts count.
    pub of: BTreeSet<String>,
    /// `maximum_age`: in seconds since the campaign began, at most [`MAX_AGE_SECONDS`].
    pub maximum_age_seconds: u64,
    /// `build = "stated"`: whether the caller must say which build is installed.
    pub build_stated: bool,
}

impl Subject {
    /// Whether a rule that allows is about a product: names as the policy spells them.
    pub(crate) fn is(&self, name: &str, vendor: &str) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        same(&self.product, name) && same(&self.vendor, vendor)
    }

    /// Whether a rule that denies is about a product: capitals and blanks make no difference, so that
    /// another spelling is no way around it.
    pub(crate) fn resembles(&self, name: &str, vendor: &str) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| folded(wanted) == folded(found))
        };
        same(&self.product, name) && same(&self.vendor, vendor)
    }
}

fn folded(name: &str) -> String {
    name.chars().filter(|one| !one.is_whitespace()).flat_map(char::to_lowercase).collect()
}

impl Policy {
    /// The assayer that a key belongs to.
    #[must_use]
    pub fn assayer_of(&self, key: PublicKey) -> Option<&str> {
        let mut found = self.assayers.iter().filter(|(_, keys)| keys.contains(&key));
        found.next().map(|(name, _)| name.as_str())
    }

    /// Why something is revoked, if it is.
    pub(crate) fn revocation(&self, what: Revoked) -> Option<&str> {
        let mut found = self.revoked.iter().filter(|one| one.what == what);
        found.next().map(|one| one.reason.as_str())
    }
}
