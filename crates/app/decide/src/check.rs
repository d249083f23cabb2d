//! `watchglass policy check`.

use std::error::Error;
use std::process::ExitCode;

use lexopt::prelude::*;
use watchglass_policy::{Decision, Outcome, Policy, Request, decide, explain, sentence};

use crate::ask::Ask;
use crate::{input, print};

pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    let (mut ask, mut form) = (Ask::new(), Form::Sentence);
    while let Some(argument) = arguments.next()? {
        let argument = owned(argument);
        match argument.borrow() {
            Long("explain") => form = Form::Explained,
            Long("json") => form = Form::Json,
            Short('h') | Long("help") => return Ok(print(HELP.as_bytes())),
            known => {
                if !ask.take(&known, || arguments.value())? {
                    return Err(known.unexpected().into());
                }
            }
        }
    }
    let [product] = ask.products.as_slice() else {
        return Err("--product FILE is needed, once; see --help".into());
    };
    let [class] = ask.classes.as_slice() else {
        return Err("--class CLASS is needed, once; see --help".into());
    };
    let policy = ask.read_policy()?;
    let product = input::product(product)?;
    let verdicts = input::verdicts(&ask.verdicts)?;
    let request = ask.request(&product, class, ask.now());
    let decision = decide(&policy, &request, &verdicts);
    print(form.of(&policy, &request, &decision)?.as_bytes());
    Ok(ExitCode::from(exit_code(decision.outcome)))
}

enum Form {
    Sentence,
    Explained,
    Json,
}

impl Form {
    fn of(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        decision: &Decision,
    ) -> Result<String, Box<dyn Error>> {
        Ok(match self {
            Self::Sentence => format!("{}\n", sentence(request, decision)),
            Self::Explained => explain(request, decision),
            Self::Json => format!("{}\n", as_json(policy, request, decision)?),
        })
    }
}

fn as_json(
    policy: &Policy,
    request: &Request<'_>,
    decision: &Decision,
) -> Result<String, serde_json::Error> {
    let shown = |text: &str| watchglass_events::printable(text).into_owned();
    let product = request.product;
    serde_json::to_string(&serde_json::json!({
        "schema": 1,
        "policy": { "name": shown(&policy.name), "sha256": policy.digest.to_string() },
        "product": {
            "name": shown(&product.name),
            "vendor": shown(&product.vendor),
            "jurisdiction": shown(&product.jurisdiction),
            "product_file_sha256": request.product_file.to_string(),
        },
        "class": shown(request.class),
        "at": request.now,
        "decision": decision,
    }))
}

/// 0 allowed, 1 denied, 3 unknown; 2 is for what could not be read.
pub(crate) fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Allowed => 0,
        Outcome::Denied => 1,
        Outcome::Unknown => 3,
    }
}

const HELP: &str = "\
Decides whether a product may run on a class of systems. What no rule of the policy allows is denied.

Usage: watchglass policy check [OPTIONS] --product FILE --class CLASS [VERDICT…]

A VERDICT is the folder of a bundle, or a folder with its `envelope.json` and `results.json` alone. It
counts if its signature holds and its key is an assayer's of the policy. The evidence below it is not
looked at here: `watchglass recheck` does that.

Options:
      --product FILE          the product file; verdicts must be about exactly this file
      --class CLASS           the class of systems, as the policy names it
      --policy FILE           the policy [default: /etc/watchglass/policy.toml]
      --build SHA256          the build that is installed: `inventory_sha256` of a verdict's results
      --installed-since TIME  the product is installed since then; without this it is new
      --at TIME               decide for this time instead of now: 2026-11-26, 2026-11-26T12:00:00Z
      --explain               say of every clause what was found and what is needed
      --json                  print one JSON object instead
  -h, --help                  print this help

Exit codes: 0 allowed, 1 denied (no further verdict changes that), 2 bad usage or a file that cannot be
read, 3 unknown (not allowed, for want of verdicts or of the time). Whoever acts on it lets nothing
run but on 0.

Example: watchglass policy check --product products/clamav.toml --class public-sector \\
             --policy policies/ncsc-letter-2017.toml assay-ClamAV --explain
";

/// An argument that no longer borrows the parser, so that its value can be asked for.
pub(crate) fn owned(argument: lexopt::Arg<'_>) -> Owned {
    match argument {
        Short(letter) => Owned::Short(letter),
        Long(name) => Owned::Long(name.to_owned()),
        Value(value) => Owned::Value(value),
    }
}

pub(crate) enum Owned {
    Short(char),
    Long(String),
    Value(std::ffi::OsString),
}

impl Owned {
    pub(crate) fn borrow(&self) -> lexopt::Arg<'_> {
        match self {
            Self::Short(letter) => Short(*letter),
            Self::Long(name) => Long(name),
            Self::Value(value) => Value(value.clone()),
        }
    }
}
