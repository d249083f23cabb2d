//! What is asked and what is answered.

use serde::Serialize;
use watchglass_claims::Identity;
use watchglass_events::{Digest, printable};

use crate::moment::Moment;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The product, as its product file describes it.
    pub product: &'a Identity,
    /// SHA-256 of the product file.
    pub product_file: Digest,
    /// The class of systems it is to run on.
    pub class: &'a str,
    /// What time it is, if the caller knows.
    pub now: Option<Moment>,
    /// Whether it is installed already.
    pub standing: Standing,
    /// Which build is installed, by the digest of its inventory, if the caller says so.
    pub build: Option<Digest>,
}

/// Whether a product is installed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not.
    New,
    /// It is, since then.
    InstalledSince(Moment),
}

/// The answer, from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No rule allows it, or one denies it. No further verdict changes that.
    Denied,
    /// Not allowed, for want of something: verdicts, or the time.
    Unknown,
    /// A rule allows it, and none denies it.
    Allowed,
}

/// A decision with its grounds. Every text in it is safe to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// Why: in the words of the policy where a rule acts, else the clause that does not hold.
    pub reason: String,
    /// The rule that decided, if one did: `deny 1`, `allow 2`.
    pub rule: Option<String>,
    /// For which build it is allowed; without a verdict, for any.
    pub build: Option<String>,
    /// Until when it is allowed at most: then a rule ends, or a verdict is too old.
    pub allowed_until: Option<Moment>,
    /// What must hold before any rule is looked at.
    pub general: Vec<Clause>,
    /// Every rule that is about this product on this class, in the order of the policy, denials first.
    pub rules: Vec<RuleResult>,
}

/// A rule that is about the product and the class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// Whether it denies or allows.
    pub kind: RuleKind,
    /// Its number among those of its kind, from 1.
    pub number: usize,
    /// The words of the policy.
    pub reason: String,
    /// What it does here.
    pub effect: Effect,
    /// Its clauses.
    pub clauses: Vec<Clause>,
    /// The verdicts that it was held against.
    pub verdicts: Vec<VerdictRow>,
    /// Until when it has this effect at most.
    pub until: Option<Moment>,
    /// The build that it allows.
    pub build: Option<String>,
}

/// The two kinds of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// `[[deny]]`
    Deny,
    /// `[[allow]]`
    Allow,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A clause of it does not hold.
    Nothing,
    /// Whether it acts, cannot be told.
    Open,
    /// Every clause of it holds.
    Acts,
}

/// One thing that has to hold, with what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// What it is about.
    pub name: &'static str,
    /// What was found.
    pub got: String,
    /// What is needed.
    pub needed: String,
    /// Whether it holds.
    pub state: ClauseState,
}

/// Whether a clause holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseState {
    /// It does not.
    Failed,
    /// It cannot be told, or more evidence could make it hold.
    Open,
    /// It does.
    Held,
}

/// A verdict, held against a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictRow {
    /// What the caller calls it.
    pub name: String,
    /// Who vouches for it, if the policy knows.
    pub assayer: Option<String>,
    /// Whether it counts for the rule.
    pub counts: bool,
    /// Why, or why not.
    pub clauses: Vec<Clause>,
}

impl Clause {
    /// What it is about, what was found and what is needed.
    pub(crate) fn says(&self) -> String {
        format!("{}: got {}; needed {}", self.name, self.got, self.needed)
    }

    pub(crate) fn new(
        name: &'static str,
        got: impl Into<String>,
        needed: impl Into<String>,
        state: ClauseState,
    ) -> Self {
        let shown = |text: String| printable(&text).into_owned();
        Self { name, got: shown(got.into()), needed: shown(needed.into()), state }
    }

    pub(crate) fn held(
        name: &'static str,
        got: impl Into<String>,
        needed: impl Into<String>,
        holds: bool,
    ) -> Self {
        let state = if holds { ClauseState::Held } else { ClauseState::Failed };
        Self::new(name, got, needed, state)
    }
}

impl RuleResult {
    /// `deny 1`, `allow 2`.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = match self.kind {
            RuleKind::Deny => "deny",
            RuleKind::Allow => "allow",
        };
        format!("{kind} {}", self.number)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Denied => "denied",
            Self::Unknown => "unknown",
            Self::Allowed => "allowed",
        })
    }
}
