//! `watchglass policy test`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use watchglass_policy::{Cases, MAX_POLICY_BYTES, explain, render_problems};

use crate::{input, print};

pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    let (mut files, mut json) = (Vec::new(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(file) => files.push(PathBuf::from(file)),
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(print(HELP.as_bytes())),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if files.is_empty() {
        return Err("CASES is missing; see --help".into());
    }
    let (mut text, mut failed, mut count) = (String::new(), 0_usize, 0_usize);
    for file in &files {
        let (policy, cases) = read(file)?;
        for case in &cases.cases {
            let tried = case.try_on(&policy);
            count += 1;
            failed += usize::from(tried.differs.is_some());
            let (outcome, differs) = (tried.decision.outcome, tried.differs.as_deref());
            if json {
                let line = serde_json::json!({
                    "schema": 1,
                    "cases": input::shown(file),
                    "case": case.name,
                    "outcome": outcome,
                    "differs": differs,
                });
                text.push_str(&format!("{line}\n"));
            } else if let Some(differs) = differs {
                let why = explain(&case.request(), &tried.decision);
                text.push_str(&format!("FAILED {}: {differs}\n{why}\n", case.name));
            } else {
                text.push_str(&format!("passed {}: {outcome}\n", case.name));
            }
        }
    }
    if !json {
        text.push_str(&format!("{} of {count} cases passed\n", count - failed));
    }
    print(text.as_bytes());
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Reads a list of cases with the policy that it names.
fn read(file: &Path) -> Result<(watchglass_policy::Policy, Cases), Box<dyn Error>> {
    let bytes = input::file(file, MAX_POLICY_BYTES)?;
    let wrong = |problems: Vec<_>| render_problems(&input::shown(file), &problems);
    let name = Cases::policy_of(&bytes).map_err(wrong)?;
    let policy = input::policy(&file.parent().unwrap_or(Path::new("")).join(name))?;
    let cases = Cases::parse(&bytes, &policy).map_err(wrong)?;
    if cases.cases.is_empty() {
        return Err(format!("{} has no case, so it shows nothing", input::shown(file)).into());
    }
    Ok((policy, cases))
}

const HELP: &str = "\
Holds policies against cases: what each is to decide, on supposed products and verdicts.

Usage: watchglass policy test [--json] CASES…

A list of cases names its policy, by a path from its own folder. docs/policy.md is the reference.

Exit codes: 0 every case came out as expected, 1 one did not, 2 a file cannot be read

Example: watchglass policy test policies/ncsc-letter-2017.cases.toml
";
