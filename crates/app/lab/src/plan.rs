//! The plan of a campaign: which runs, with which seeds, at what cost.

use std::time::Duration;

use watchglass_claims::{Phase, Product};
use watchglass_events::Digest;
use watchglass_evidence::PlannedRun;

/// Seeds of a campaign: both follow from one, which is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) first: [u8; 32],
    pub(crate) second: [u8; 32],
}

impl Seeds {
    pub(crate) fn from_campaign(seed: &[u8; 32]) -> Self {
        let derive = |name: &str| Digest::of(&[seed.as_slice(), name.as_bytes()].concat()).0;
        Self { first: derive("first world"), second: derive("second world") }
    }
}

/// A group of runs that share a world, in order. It is made whole or again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) runs: Vec<PlannedRun>,
}

/// The groups of a campaign (`docs/decisions/0004-campaign.md`). `wanted` names runs; empty is all.
pub(crate) fn groups(
    product: &Product,
    seeds: Seeds,
    network: bool,
    wanted: &[String],
) -> Vec<Group> {
    let run = |name: &str, seed: &[u8; 32], same_world, network, configured, phases| PlannedRun {
        name: name.to_owned(),
        seed: Digest(*seed).to_string(),
        same_world,
        network,
        configured,
        phases,
    };
    let every = || names(product.phases.iter());
    let brisk = || names(product.phases.iter().filter(|phase| phase.lasts.is_none()));
    let mut groups = vec![
        Group {
            runs: vec![
                run("A1", &seeds.first, false, network, true, every()),
                run("A2", &seeds.first, true, network, true, brisk()),
            ],
        },
        Group {
            runs: vec![
                run("B", &seeds.second, false, network, true, brisk()),
                run("C", &seeds.second, true, false, true, brisk()),
            ],
        },
    ];
    let contacting = names(product.phases.iter().filter(|phase| contacts(product, phase)));
    if network && !product.configuration.is_empty() && !contacting.is_empty() {
        let stock = run("S", &seeds.first, false, true, false, contacting);
        groups.push(Group { runs: vec![stock] });
    }
    for group in &mut groups {
        group.runs.retain(|run| wanted.is_empty() || wanted.contains(&run.name));
        if let Some(first) = group.runs.first_mut() {
            first.same_world = false;
        }
    }
    groups.retain(|group| !group.runs.is_empty());
    groups
}

fn names<'a>(phases: impl Iterator<Item = &'a Phase>) -> Vec<String> {
    phases.map(|phase| phase.name.clone()).collect()
}

fn contacts(product: &Product, phase: &Phase) -> bool {
    product.domains.get(&phase.domain).is_some_and(watchglass_claims::Domain::has_network)
}

/// The longest that the runs can take: every phase to its time-out.
pub(crate) fn longest(product: &Product, groups: &[Group], idle: Duration) -> Duration {
    let runs = groups.iter().flat_map(|group| &group.runs);
    let phases = runs.flat_map(|run| &run.phases);
    let cost = |name: &String| {
        let phase = product.phases.iter().find(|phase| phase.name == *name);
        phase.map_or(Duration::ZERO, |phase| match phase.lasts {
            Some(lasts) => lasts.min(idle),
            None => phase.timeout,
        })
    };
    phases.map(cost).sum()
}
