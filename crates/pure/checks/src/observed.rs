//! What a product was seen to do, for the draft of its product file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use watchglass_claims::{Observed, ObservedContact, ObservedField, ObservedPhase, ObservedProgram};
use watchglass_events::{Event, Outcome, Peer, Transport, What};

use crate::bait::SAMPLES_FOLDER;
use crate::case::{Case, Run};
use crate::contacts::{Contact, DNS_PORT};
use crate::processes::Step;
use crate::rules::{bound, reads, written};
use crate::wire;

/// The field of a question to a name server, as claims name it.
const QUESTION: &str = "question";

impl Case {
    /// What the product did in all runs that had its configuration, in the shape that
    /// [`watchglass_claims::draft`] takes.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let mut programs = Programs::default();
        let runs = || self.runs.iter().filter(|run| run.plan.configured);
        let home = runs().next().map(|run| run.planted.values.bait.clone()).unwrap_or_default();
        for run in runs() {
            programs.take(run, &home);
        }
        Observed {
            product: self.product.product.clone(),
            install: self.product.install.clone(),
            configuration: self.product.configuration.clone(),
            privileges: self.product.privileges.clone(),
            phases: runs().next().map(|run| self.phases(run)).unwrap_or_default(),
            programs: programs.finish(),
            bait: home.into_bytes(),
            samples: SAMPLES_FOLDER.into(),
        }
    }

    /// The phases of a run in the order of the product file.
    fn phases(&self, run: &Run) -> Vec<ObservedPhase> {
        let planned = self.product.phases.iter();
        let ran = planned.filter(|phase| run.plan.phases.contains(&phase.name));
        let seen = ran.map(|phase| {
            let number = u32::try_from(phase.setup.len()).unwrap_or(u32::MAX);
            let steps = run.processes.steps().iter();
            let mine = |step: &&Step| step.phase == phase.name && step.number == number;
            let step = steps.rev().find(mine);
            let took = step.map_or(0, |step| match step.to_ns {
                u64::MAX => 0,
                to => to.saturating_sub(step.from_ns),
            });
            ObservedPhase {
                name: phase.name.clone(),
                run: phase.run.0.clone(),
                program: program_of(run, &phase.name, number),
                exit: exit_of(run, &phase.name, number),
                took: Duration::from_nanos(took),
                planned: Some(phase.clone()),
            }
        });
        seen.collect()
    }
}

/// The program that a command became first.
fn program_of(run: &Run, phase: &str, number: u32) -> Vec<u8> {
    let process = run.lab.events.iter().rev().find_map(|event| match &event.what {
        What::StepStarted { phase: of, step, process, .. } if of == phase && *step == number => {
            Some(*process)
        }
        _ => None,
    });
    let executed = |event: &&Event| {
        matches!(event.what, What::Executed { .. })
            && event.actor.map(|actor| actor.process) == process
    };
    match run.sensor.events.iter().find(executed).map(|event| &event.what) {
        Some(What::Executed { path, .. }) => path.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

fn exit_of(run: &Run, phase: &str, number: u32) -> Option<i32> {
    run.lab.events.iter().rev().find_map(|event| match &event.what {
        What::StepEnded { phase: of, step, outcome: Outcome::Exited(code), .. }
            if of == phase && *step == number =>
        {
            Some(*code)
        }
        _ => None,
    })
}

/// Programs by their paths.
#[derive(Default)]
struct Programs {
    by_path: BTreeMap<Vec<u8>, Seen>,
}

#[derive(Default)]
struct Seen {
    program: ObservedProgram,
    contacts: BTreeMap<(String, u16, bool), Messages>,
}

/// What was sent to one host.
#[derive(Default)]
struct Messages {
    number: u32,
    fields: BTreeMap<String, BTreeSet<Vec<u8>>>,
}

impl Programs {
    fn take(&mut self, run: &Run, home: &str) {
        let at_home = |path: &[u8]| at_home(path, &run.planted.values.bait, home);
        for read in reads(run) {
            let path = at_home(read.path.as_bytes());
            self.of(run, read.event, |program| program.reads.insert(path.clone()));
        }
        for event in bound(run) {
            // Every program that ran has a domain, even one that did nothing.
            self.of(run, event, |_| false);
            for path in written(&event.what) {
                let path = at_home(path.as_bytes());
                self.of(run, event, |program| program.writes.insert(path.clone()));
            }
            if let Some(listen) = listen(&event.what) {
                self.of(run, event, |program| program.listens.insert(listen.clone()));
            }
        }
        self.take_contacts(run);
    }

    fn of(&mut self, run: &Run, event: &Event, add: impl FnOnce(&mut ObservedProgram) -> bool) {
        let image =
            event.actor.and_then(|actor| run.processes.image_at(actor.process, event.at_ns));
        let Some(image) = image.filter(|image| !image.before_exec) else { return };
        let seen = self.by_path.entry(image.path.as_bytes().to_vec()).or_default();
        add(&mut seen.program);
    }

    fn take_contacts(&mut self, run: &Run) {
        let contacts = run.contacts();
        let mut askers: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (end, contact) in contacts.of_subject() {
            let programs = senders(run, contact);
            if end.1 == DNS_PORT && contact.hosts.is_empty() {
                askers.extend(programs);
                continue;
            }
            let udp = !contact.transports.contains(&Transport::Tcp)
                && contact.transports.contains(&Transport::Udp);
            // What a stream says of itself covers no contact, so it makes no claim of one.
            let host = contact.resolved.first().cloned().unwrap_or_else(|| end.0.to_string());
            for program in programs {
                let seen = self.by_path.entry(program).or_default();
                let to = (host.clone(), end.1, udp);
                seen.contacts.entry(to).or_default().take(contact);
            }
        }
        // The gate does not know who asked, so each program that asked anything is taken to have
        // asked everything. A question for an address needs no claim of its own beside a contact.
        for question in contacts.questions.iter().filter(|question| !question.canary) {
            for asker in &askers {
                let seen = self.by_path.entry(asker.clone()).or_default();
                let met = seen.contacts.keys().any(|(host, ..)| *host == question.name);
                let address = question.kind.question() == watchglass_claims::Question::Address;
                if !(met && address) {
                    let to = (question.name.clone(), DNS_PORT, true);
                    seen.contacts.entry(to).or_default().ask(&question.name);
                }
            }
        }
    }

    fn finish(self) -> Vec<ObservedProgram> {
        let finished = self.by_path.into_iter().map(|(path, seen)| {
            let contacts =
                seen.contacts.into_iter().map(|((host, port, udp), messages)| ObservedContact {
                    host,
                    port,
                    udp,
                    messages: messages.number,
                    fields: messages.fields.into_iter().map(field).collect(),
                });
            ObservedProgram { path, contacts: contacts.collect(), ..seen.program }
        });
        finished.collect()
    }
}

impl Messages {
    fn take(&mut self, contact: &Contact) {
        for request in contact.streams.iter().flat_map(wire::Stream::requests) {
            self.number = self.number.saturating_add(1);
            for sent in request.fields() {
                self.fields.entry(sent.name).or_default().insert(sent.value);
            }
        }
    }

    fn ask(&mut self, name: &str) {
        self.number = self.number.saturating_add(1);
        let values = self.fields.entry(QUESTION.to_owned()).or_default();
        values.insert(name.as_bytes().to_vec());
    }
}

fn field((name, values): (String, BTreeSet<Vec<u8>>)) -> ObservedField {
    let longest = values.iter().map(Vec::len).max().unwrap_or(0);
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    ObservedField { name, max_bytes: count(longest), values: count(values.len()) }
}

/// Programs of the product that connected or sent.
fn senders(run: &Run, contact: &Contact) -> BTreeSet<Vec<u8>> {
    let bound = contact.processes.keys().filter(|process| run.processes.is_bound(**process));
    let images = bound.filter_map(|process| run.processes.image_at(*process, u64::MAX));
    images.map(|image| image.path.as_bytes().to_vec()).collect()
}

/// The same path under the home of the first run, whose user another run does not have.
fn at_home(path: &[u8], own: &str, home: &str) -> Vec<u8> {
    match path.strip_prefix(own.as_bytes()) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => [home.as_bytes(), rest].concat(),
        _ => path.to_vec(),
    }
}

/// A Unix socket in the file system. For ports the event does not say which transport it was.
fn listen(what: &What) -> Option<String> {
    match what {
        What::Bound { address: Peer::Unix(path), error: None, .. }
            if path.as_bytes().starts_with(b"/") =>
        {
            std::str::from_utf8(path.as_bytes()).ok().map(|path| format!("unix:{path}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use watchglass_claims::{Product, draft};
    use watchglass_evidence::PartName;

    use super::*;
    use crate::results::State;
    use crate::sample::{READ, WRITE};
    use crate::sample::{executed, opened, parts, sends};

    #[test]
    fn a_product_that_is_judged_by_its_own_draft_breaks_nothing() {
        let mut parts = parts(|_, sample| {
            sample.sensor.push((10, opened("/etc/unclaimed", READ)));
            sample.sensor.push((20, opened("/var/lib/other", WRITE)));
            sample.sensor.push((20, executed("/usr/bin/helper")));
            sample.sensor.extend(sends(20, 10));
        });
        let observed = Case::from_parts(&parts).unwrap().observed();
        let text = draft(&observed);
        let product = Product::parse(&text).unwrap();
        assert_eq!(product.phases.len(), 2);
        assert!(product.domains["toy-update"].reads.contains(&"/etc/unclaimed".to_owned()));
        assert!(product.domains["toy-scan"].reads.contains(&"{bait}/**".to_owned()));
        assert!(!text.contains("/home/"), "{text}");
        let contact = product.domains["toy-update"].contacts.first().unwrap();
        assert_eq!((contact.host.to_string().as_str(), contact.port), ("updates.example", 80));

        parts.insert(PartName::parse("product.toml").unwrap(), text.into_bytes());
        let results = crate::derive(&Case::from_parts(&parts).unwrap());
        for id in ["R1", "W1", "X1", "N1"] {
            let check = results.checks.iter().find(|check| check.id == id).unwrap();
            assert_ne!(check.state, State::Broken, "{id}: {} {:?}", check.reason, check.findings);
        }
    }
}
