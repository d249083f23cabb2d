//! What the lab chooses by itself, and why.

use std::path::PathBuf;

use miette::{Result, miette};
use watchglass_claims::Product;
use watchglass_events::Tier;
use watchglass_evidence::Choice;
use watchglass_sensor::bpf;

use crate::cli::{Assay, TierChoice};

/// What was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) tier: Tier,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) choices: Vec<Choice>,
}

impl Chosen {
    /// What was chosen and why, in one line.
    pub(crate) fn first_line(&self) -> String {
        let choices: Vec<String> =
            self.choices.iter().map(|choice| format!("{}: {}", choice.what, choice.why)).collect();
        choices.join("; ")
    }
}

pub(crate) fn choose(arguments: &Assay, product: &Product) -> Result<Chosen> {
    let mut choices = Vec::new();
    let tier = tier(arguments, &mut choices)?;
    for capability in &product.privileges.capabilities {
        choices.push(choice(&format!("{capability} is given"), "the product file asks for it"));
    }
    for family in &product.privileges.families {
        choices.push(choice(
            &format!("sockets of {family} are allowed"),
            "the product file asks for it",
        ));
    }
    if product.privileges.io_uring {
        choices.push(choice("io_uring is allowed", "the product file asks for it"));
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    let cache = arguments.cache.clone().unwrap_or_else(|| home.join(".cache/watchglass"));
    let state = arguments.state.clone().unwrap_or_else(|| home.join(".local/state/watchglass"));
    Ok(Chosen { tier, cache, state, choices })
}

fn tier(arguments: &Assay, choices: &mut Vec<Choice>) -> Result<Tier> {
    if arguments.tier == TierChoice::T0 {
        choices.push(choice("tier T0 (ptrace)", "asked for"));
        return Ok(Tier::T0);
    }
    let faults: Vec<String> = bpf::probe()
        .into_iter()
        .filter_map(|(what, probed)| probed.err().map(|why| format!("{what}: {why}")))
        .collect();
    let missing = faults.first().cloned();
    match (missing, arguments.tier) {
        (None, TierChoice::T1) => choices.push(choice("tier T1 (BPF)", "asked for")),
        (None, _) => {
            choices.push(choice("tier T1 (BPF)", "the kernel loads and attaches the programs"))
        }
        (Some(why), TierChoice::T1) => {
            return Err(miette!(
                help = "use --tier t0, or see `watchglass doctor`",
                "tier T1 cannot be had: {why}"
            ));
        }
        (Some(why), _) => {
            choices.push(choice("tier T0 (ptrace)", &format!("BPF cannot be had: {why}")));
            return Ok(Tier::T0);
        }
    }
    Ok(Tier::T1)
}

fn choice(what: &str, why: &str) -> Choice {
    Choice { what: what.to_owned(), why: why.to_owned() }
}
