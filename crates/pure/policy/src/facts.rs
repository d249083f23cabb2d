//! Decisions as facts for tools that act on them: Ansible, osquery, Wazuh.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use thiserror::Error;

use crate::decision::{ClauseState, Decision, Outcome, Request};
use crate::moment::Moment;
use crate::policy::Policy;
use crate::sqlite::{Database, SqliteError, Value};

/// Why decisions cannot be told as facts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactsError {
    /// Two of them would have the same name.
    #[error("two product files are named `{product}`, and facts go by name")]
    SameName {
        /// The name.
        product: String,
    },
    /// They do not fit.
    #[error("the SQLite file")]
    Sqlite(#[from] SqliteError),
}

/// Facts for Ansible: one object, `products.NAME.CLASS`, for a file in `/etc/ansible/facts.d`.
///
/// # Errors
/// [`FactsError::SameName`].
pub fn ansible(policy: &Policy, decided: &[(Request<'_>, Decision)]) -> Result<String, FactsError> {
    let mut products: BTreeMap<&str, BTreeMap<&str, Json>> = BTreeMap::new();
    for (request, decision) in decided {
        let name = request.product.name.as_str();
        let fact = Json::Object(row(policy, request, decision).into_iter().map(as_json).collect());
        if products.entry(name).or_default().insert(request.class, fact).is_some() {
            let product = watchglass_events::printable(name).into_owned();
            return Err(FactsError::SameName { product });
        }
    }
    let facts = json!({ "schema": 1, "policy": policy.name, "products": products });
    Ok(format!("{facts:#}\n"))
}

/// Facts for osquery: a SQLite file with one table, `decisions`, for its automatic table construction.
///
/// # Errors
/// [`FactsError::Sqlite`] for more than fits into one.
pub fn osquery(
    policy: &Policy,
    decided: &[(Request<'_>, Decision)],
) -> Result<Vec<u8>, FactsError> {
    let rows: Vec<Vec<Value>> = decided
        .iter()
        .map(|(request, decision)| {
            row(policy, request, decision).into_iter().map(as_value).collect()
        })
        .collect();
    Ok(Database { table: "decisions", columns: COLUMNS, rows: &rows }.encode()?)
}

/// Facts for Wazuh: one JSON object a line, for a `localfile` of format `json`.
#[must_use]
pub fn wazuh(policy: &Policy, decided: &[(Request<'_>, Decision)]) -> String {
    let line = |(request, decision): &(Request<'_>, Decision)| {
        let mut fields: serde_json::Map<String, Json> =
            row(policy, request, decision).into_iter().map(as_json).collect();
        fields.insert("schema".to_owned(), 1.into());
        fields.insert("event".to_owned(), "policy_decision".into());
        format!("{}\n", json!({ "watchglass": fields }))
    };
    decided.iter().map(line).collect()
}

/// A fact with its name. What is not known is an empty text, so that every fact has one type.
type Fact = (&'static str, Cell);

enum Cell {
    Text(String),
    Number(u64),
    Truth(bool),
}

/// Names of the facts, and their order.
const COLUMNS: &[&str] = &[
    "product",
    "vendor",
    "jurisdiction",
    "class",
    "outcome",
    "allowed",
    "reason",
    "rule",
    "missing",
    "build",
    "product_file",
    "allowed_until",
    "decided_at",
    "decided_at_unix",
    "policy",
    "policy_sha256",
];

fn row(policy: &Policy, request: &Request<'_>, decision: &Decision) -> Vec<Fact> {
    let product = request.product;
    let shown = |text: &str| Cell::Text(watchglass_events::printable(text).into_owned());
    let moment =
        |moment: Option<Moment>| Cell::Text(moment.map_or(String::new(), |one| one.to_string()));
    let cells = [
        shown(&product.name),
        shown(&product.vendor),
        shown(&product.jurisdiction),
        shown(request.class),
        Cell::Text(decision.outcome.to_string()),
        Cell::Truth(decision.outcome == Outcome::Allowed),
        Cell::Text(decision.reason.clone()),
        Cell::Text(decision.rule.clone().unwrap_or_default()),
        Cell::Text(missing(decision)),
        Cell::Text(decision.build.clone().unwrap_or_default()),
        Cell::Text(request.product_file.to_string()),
        moment(decision.allowed_until),
        moment(request.now),
        Cell::Number(request.now.map_or(0, Moment::unix)),
        shown(&policy.name),
        Cell::Text(policy.digest.to_string()),
    ];
    COLUMNS.iter().copied().zip(cells).collect()
}

/// Clauses that do not hold of the rules that would allow, and those before any rule.
fn missing(decision: &Decision) -> String {
    if decision.outcome == Outcome::Allowed {
        return String::new();
    }
    let of_rules = decision.rules.iter().flat_map(|rule| {
        let clauses = rule.clauses.iter().filter(|_| rule.kind == crate::RuleKind::Allow);
        clauses.map(move |clause| (rule.name(), clause))
    });
    let general = decision.general.iter().map(|clause| ("general".to_owned(), clause));
    let unheld = general.chain(of_rules).filter(|(_, clause)| clause.state != ClauseState::Held);
    let texts = unheld.map(|(rule, clause)| format!("{rule}: {}", clause.says()));
    texts.collect::<Vec<_>>().join(" | ")
}

fn as_json((name, cell): Fact) -> (String, Json) {
    let value = match cell {
        Cell::Text(text) => text.into(),
        Cell::Number(number) => number.into(),
        Cell::Truth(truth) => truth.into(),
    };
    (name.to_owned(), value)
}

fn as_value((_, cell): Fact) -> Value {
    match cell {
        Cell::Text(text) => Value::Text(text),
        Cell::Number(number) => Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
        Cell::Truth(truth) => Value::Integer(truth.into()),
    }
}
