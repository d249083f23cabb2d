//! A verdict whose signature held, as far as policies look at it.

use std::collections::BTreeMap;

use thiserror::Error;
use watchglass_checks::results::{Results, SCHEMA, State};
use watchglass_events::Digest;
use watchglass_evidence::{PublicKey, SignedResults};

use crate::check_names::highest_grade;
use crate::moment::Moment;

/// Something that was handed in as a verdict.
#[derive(Clone, Debug)]
pub struct Exhibit {
    /// What the caller calls it: a path, safe to print.
    pub name: String,
    /// The verdict, or why it counts for nobody.
    pub verdict: Result<Verdict, String>,
}

/// What an assayer vouches for.
///
/// Holding one proves that the key signed these results, and that they claim no grade above the one that
/// their own checks bear. Whose key it is, and whether the evidence is true, it does not prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// SHA-256 of the results: which verdict it is.
    pub(crate) id: Digest,
    /// Who signed.
    pub(crate) signer: PublicKey,
    /// SHA-256 of the product file that was tested.
    pub(crate) product_file: Digest,
    /// SHA-256 of the inventory of the product's files: which build was tested.
    pub(crate) build: Digest,
    /// When the campaign began.
    pub(crate) began: Moment,
    /// The grade.
    pub(crate) grade: u8,
    /// Every check with its state.
    pub(crate) checks: BTreeMap<String, State>,
    /// Seed of its first run: results of the same campaign share it, whoever signs them.
    pub(crate) seed: String,
}

/// Why signed results are no verdict.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerdictError {
    /// They are no results.
    #[error("results.json: {0}")]
    Shape(String),
    /// They are of a version that this program does not know.
    #[error("results.json: version {0}; this program knows {SCHEMA}")]
    Version(u32),
    /// A field is not what it must be.
    #[error("results.json: {0}")]
    Field(&'static str),
    /// A check has two results, of which one reader takes the first and another the last.
    #[error("results.json: the check {0} is there twice")]
    Twice(String),
    /// They claim more than their checks bear.
    #[error(
        "results.json: says grade {says}, but its checks bear {bear} by the rule of this program"
    )]
    Grade {
        /// The grade that they claim.
        says: u8,
        /// The highest that the rule gives for them.
        bear: u8,
    },
}

/// A verdict that nobody signed, to try a policy on (`watchglass policy test`).
#[derive(Clone, Debug)]
pub struct Supposed {
    /// Tells it from others.
    pub id: Digest,
    /// As if signed by this key.
    pub signer: PublicKey,
    /// Digest of the product file.
    pub product_file: Digest,
    /// Digest of the inventory.
    pub build: Digest,
    /// When its campaign began.
    pub began: Moment,
    /// Its grade.
    pub grade: u8,
    /// Its checks.
    pub checks: BTreeMap<String, State>,
    /// Seed of its first run.
    pub seed: String,
}

impl Verdict {
    /// Takes from signed results what policies look at.
    ///
    /// # Errors
    /// [`VerdictError`]: what is no verdict counts for nobody.
    pub fn read(signed: &SignedResults) -> Result<Self, VerdictError> {
        let results: Results = serde_json::from_slice(signed.results()).map_err(|error| {
            VerdictError::Shape(watchglass_events::printable(&error.to_string()).into_owned())
        })?;
        if results.schema != SCHEMA {
            return Err(VerdictError::Version(results.schema));
        }
        let digest = |text: &str, wrong| Digest::parse(text).ok_or(VerdictError::Field(wrong));
        let subject = &results.subject;
        let seed = results.made.runs.first().map(|run| run.seed.clone());
        let verdict = Self {
            id: Digest::of(signed.results()),
            signer: signed.key(),
            product_file: digest(
                &subject.product_file_sha256,
                "product_file_sha256 is no SHA-256",
            )?,
            build: digest(&subject.inventory_sha256, "inventory_sha256 is no SHA-256")?,
            began: Moment::from_unix(results.made.began_unix_seconds),
            grade: results.verdict.grade,
            checks: states(&results)?,
            seed: seed.ok_or(VerdictError::Field("it has no run"))?,
        };
        let rule = watchglass_checks::grade(&results.checks, &results.claims);
        verdict.with_no_higher_grade_than(rule)
    }

    /// Supposes a verdict. Nothing was verified, so what is decided on it is an exercise.
    ///
    /// # Errors
    /// [`VerdictError::Grade`].
    pub fn danger_suppose(supposed: Supposed) -> Result<Self, VerdictError> {
        let Supposed { id, signer, product_file, build, began, grade, checks, seed } = supposed;
        Self { id, signer, product_file, build, began, grade, checks, seed }
            .with_no_higher_grade_than(3)
    }

    fn with_no_higher_grade_than(self, rule: u8) -> Result<Self, VerdictError> {
        let bear = rule.min(highest_grade(&self.checks));
        if self.grade > bear {
            Err(VerdictError::Grade { says: self.grade, bear })
        } else {
            Ok(self)
        }
    }

    /// The state of a check; what is not there was not tested.
    pub(crate) fn state(&self, check: &str) -> State {
        self.checks.get(check).copied().unwrap_or(State::NotTested)
    }

    /// Checks that are broken.
    pub(crate) fn broken(&self) -> impl Iterator<Item = &str> {
        let broken = self.checks.iter().filter(|(_, state)| **state == State::Broken);
        broken.map(|(id, _)| id.as_str())
    }

    /// The first digits of its digest, to tell it from others.
    pub(crate) fn short(&self) -> String {
        self.id.to_string().chars().take(12).collect()
    }
}

fn states(results: &Results) -> Result<BTreeMap<String, State>, VerdictError> {
    let mut states = BTreeMap::new();
    for check in &results.checks {
        if states.insert(check.id.clone(), check.state).is_some() {
            return Err(VerdictError::Twice(watchglass_events::printable(&check.id).into_owned()));
        }
    }
    Ok(states)
}
