//! Ten minutes of each fuzz target: eight hours on one core, so the figures of a target are written as it
//! ends, and a run that was broken off goes on where it was.

use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::{MEASURES, Wanted, commit, read_result, write_result};
use crate::fuzz::{self, Fuzzed, Plan};
use crate::packages::{self, Need};
use crate::place::Place;
use crate::trouble::Trouble;

pub(super) const NAME: &str = "fuzz";
pub(super) const WHAT: &str = "inputs that broke a fuzz target, ten minutes each (promise: none)";

/// Fuzzes those that are wanted and gives the figures of all, those of earlier runs too.
///
/// # Errors
/// When a target is not known, or the engine cannot be built or started.
pub(super) fn take(place: &Place, wanted: &Wanted) -> Result<Value, Trouble> {
    packages::provide(&[Need::Fuzz]);
    let commit = commit(place)?;
    let measure = MEASURES.iter().find(|measure| measure.name == NAME);
    let measure = measure.expect("the row of this measurement");
    let known = fuzz::targets(place)?;
    let mut rows = rows(place);
    rows.retain(|name, _| known.contains(name));
    let is_done = |name: &&String| rows.get(*name).is_some_and(|row| row["commit"] == *commit);
    let targets = if wanted.targets.is_empty() { &known } else { &wanted.targets };
    let targets: Vec<_> =
        targets.iter().filter(|name| !(wanted.resume && is_done(name))).cloned().collect();
    let rows = Mutex::new(rows);
    let plan = Plan { targets: Some(&targets), seconds: SECONDS, seed: None };
    fuzz::each(place, &plan, |fuzzed| {
        let Fuzzed { name, inputs, broken } = fuzzed;
        eprintln!(
            "x: fuzz {name}: {inputs} inputs{}",
            if broken.is_some() { ", broken" } else { "" }
        );
        let row =
            json!({ "commit": commit, "seconds": SECONDS, "inputs": inputs, "broken": broken });
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(name, row);
        write_result(place, measure, &figures(&rows))
    })?;
    Ok(figures(&rows.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn figures(rows: &Map<String, Value>) -> Value {
    let broken = rows.values().filter(|row| !row["broken"].is_null()).count();
    json!({ "targets": rows.len(), "broken": broken, "each": rows })
}

fn rows(place: &Place) -> Map<String, Value> {
    match read_result(place, NAME).map(|mut figures| figures["each"].take()) {
        Some(Value::Object(rows)) => rows,
        _ => Map::new(),
    }
}

const SECONDS: u32 = 600;
