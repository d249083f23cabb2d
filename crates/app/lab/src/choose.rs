//! What the lab chooses by itself, and why.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, Result, miette};
use watchglass_claims::Product;
use watchglass_events::Tier;
use watchglass_evidence::Choice;
use watchglass_sensor::bpf;
use watchglass_world::{PreparedRoot, Sockets};

use crate::cli::{Assay, TierChoice};
use crate::{in_place, probe};

/// What was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) tier: Tier,
    pub(crate) rights: Rights,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) choices: Vec<Choice>,
}

/// Whose rights a world is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// The machine's root, in namespaces.
    Root,
    /// An ordinary user, in a user namespace.
    UserNamespace,
    /// Without namespaces, among the machine's processes.
    InPlace,
}

/// A product that cannot be assayed on this machine as it is; another one may.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(pub(crate) String);

impl Diagnostic for Unavailable {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        Some(Box::new("products/reference.toml is assayed wherever anything can be"))
    }
}

impl Chosen {
    /// What was chosen and why, in one line.
    pub(crate) fn first_line(&self) -> String {
        let choices: Vec<String> =
            self.choices.iter().map(|choice| format!("{}: {}", choice.what, choice.why)).collect();
        choices.join("; ")
    }
}

/// Chooses. `choices` are those made before: why this product is assayed and not the one that was
/// asked for first, and what this process could not get.
pub(crate) fn choose(
    arguments: &Assay,
    product: &Product,
    mut choices: Vec<Choice>,
) -> Result<Chosen> {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    let cache = arguments.cache.clone().unwrap_or_else(|| home.join(".cache/watchglass"));
    let state = arguments.state.clone().unwrap_or_else(|| home.join(".local/state/watchglass"));
    let (rights, why_rights) = rights(arguments, product)?;
    check_root(product, &cache)?;
    let tier = tier(arguments, rights, &mut choices)?;
    choices.push(choice(name(rights), &why_rights));
    if rights == Rights::InPlace {
        choices.extend(in_place_choices(product));
    } else {
        choices.extend(privileges(product));
    }
    Ok(Chosen { tier, rights, cache, state, choices })
}

fn name(rights: Rights) -> &'static str {
    match rights {
        Rights::Root => "rights of root (namespaces)",
        Rights::UserNamespace => "rights of an ordinary user (user namespace)",
        Rights::InPlace => "in place (no namespaces)",
    }
}

/// Finds out by building a world.
fn rights(arguments: &Assay, product: &Product) -> Result<(Rights, String)> {
    if arguments.in_place {
        if !is_own(arguments, product) && !arguments.r#unsafe {
            return Err(not_own(product));
        }
        return Ok((Rights::InPlace, "asked for".to_owned()));
    }
    if let Err(why) = probe::world() {
        if is_own(arguments, product) || arguments.r#unsafe {
            return Ok((Rights::InPlace, format!("no world can be had: {why}")));
        }
        let name = &product.product.name;
        return Err(Unavailable(format!("no world for {name} can be had here: {why}")).into());
    }
    if watchglass_world::is_root_of_machine() {
        return Ok((Rights::Root, "a world was built and joined to a fake internet".to_owned()));
    }
    Ok((Rights::UserNamespace, "not started as root".to_owned()))
}

/// What already shows before the root is made is told in the first line.
fn check_root(product: &Product, cache: &Path) -> Result<()> {
    let name = &product.product.name;
    PreparedRoot::check(&product.install, cache)
        .map_err(|why| Unavailable(format!("the root of {name} cannot be made: {why}")).into())
}

/// The lab's own programs are those beside it, not those of a folder that somebody names.
fn is_own(arguments: &Assay, product: &Product) -> bool {
    arguments.specimens.is_none() && in_place::may_run(product)
}

fn not_own(product: &Product) -> miette::Report {
    miette!(
        help = "`--unsafe` runs it all the same, as your own user and beside your own processes",
        "{} is not the lab's own: in place only the specimens and the reference product run",
        product.product.name
    )
}

fn in_place_choices(product: &Product) -> Vec<Choice> {
    let asked = &product.privileges;
    let mut choices = Vec::new();
    if !asked.capabilities.is_empty() || !asked.families.is_empty() || asked.io_uring {
        let why = "in place nothing is given beyond the default";
        choices.push(choice("privileges of the product file are not given", why));
    }
    if in_place::sockets() == Sockets::Sent {
        let what = "the product's sockets are sent to the tracer, through a descriptor it can see";
        choices.push(choice(what, "pidfd_getfd is refused here"));
    }
    choices
}

fn privileges(product: &Product) -> Vec<Choice> {
    let mut choices = Vec::new();
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
    choices
}

fn tier(arguments: &Assay, rights: Rights, choices: &mut Vec<Choice>) -> Result<Tier> {
    if arguments.tier == TierChoice::T0 {
        choices.push(choice("tier T0 (ptrace)", "asked for"));
        return Ok(Tier::T0);
    }
    let missing = missing_for_t1(rights);
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

fn missing_for_t1(rights: Rights) -> Option<String> {
    if rights == Rights::InPlace {
        // BPF would see, but only the tracer can turn.
        return Some("in place it is the tracer that turns connections".to_owned());
    }
    let faults = bpf::probe().into_iter();
    faults.filter_map(|(what, probed)| probed.err().map(|why| format!("{what}: {why}"))).next()
}

pub(crate) fn choice(what: &str, why: &str) -> Choice {
    Choice { what: what.to_owned(), why: why.to_owned() }
}
