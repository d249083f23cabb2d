//! Decides who may run what.
//!
//! A [`Policy`] is a TOML file (`docs/policy.md`) that turns verdicts into the answer an organisation
//! needs: may this product run on this class of system? [`decide`] is total and depends on its arguments
//! alone; the time is one of them. What no rule allows is not allowed.
//!
//! Verdicts come in as [`Exhibit`]s: a [`Verdict`] exists only where its signature held, and one that
//! did not hold is carried along to be shown, and counts for nobody. Holding a [`Decision`] proves that
//! it follows from the policy, the product file and those verdicts. It does not prove that the evidence
//! below a verdict is true: `watchglass recheck` and several independent assayers are for that.
//!
//! Two things hold whatever the files say, and are tested: a rule that denies never makes more allowed,
//! and no verdict turns *denied* into anything else.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

mod cases;
mod check_names;
mod decide;
mod decision;
mod explain;
mod facts;
mod independent;
mod moment;
mod policy;
mod problem;
#[cfg(test)]
mod properties;
mod read;
mod sqlite;
mod verdict;
mod weigh;

pub use cases::{Case, Cases, Tried};
pub use check_names::CHECKS;
pub use decide::decide;
pub use decision::{
    Clause, ClauseState, Decision, Effect, Outcome, Request, RuleKind, RuleResult, Standing,
    VerdictRow,
};
pub use explain::{explain, sentence};
pub use facts::{FactsError, ansible, osquery, wazuh};
pub use moment::{Moment, MomentError};
pub use policy::{
    Allow, Deny, Evidence, MAX_AGE_SECONDS, MAX_POLICY_BYTES, Policy, Quorum, Revocation, Revoked,
    Subject,
};
pub use problem::{Problem, render_problems};
pub use sqlite::SqliteError;
pub use verdict::{Exhibit, Supposed, Verdict, VerdictError};
