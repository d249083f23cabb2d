//! Who the processes of a run are: program, domain, phase, and whether they are the product at all.

use std::collections::{HashMap, HashSet};

use watchglass_claims::Product;
use watchglass_events::{Digest, Event, Name, Process, What};

/// The processes of a run.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    by_id: HashMap<Process, Life>,
    steps: Vec<Step>,
    /// Digest of the lab's own program.
    lab: Option<Digest>,
    canaries: HashMap<Process, Canary>,
}

/// What a canary was seen to run.
#[derive(Clone, Debug, Default)]
struct Canary {
    token: Vec<u8>,
    ran_the_lab: bool,
    ran_another: bool,
}

/// What is known of one process.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Whose it is.
    pub(crate) role: Role,
    /// The programs it ran, in order of time.
    pub(crate) images: Vec<Image>,
}

/// A program as a process ran it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// When, in the recorder's clock.
    pub(crate) at_ns: u64,
    /// Row of the sensor's log.
    pub(crate) row: u64,
    /// Path in the world.
    pub(crate) path: Name,
    /// Digest of what ran.
    pub(crate) digest: Option<Digest>,
    /// Whether it is none yet: a command of the lab's before its `exec`.
    pub(crate) before_exec: bool,
    /// The domain that the product file gives the program, or its nearest ancestor's.
    pub(crate) domain: Option<String>,
}

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The product's, or something that it started.
    Product,
    /// A command that the product file gives for setting up, as the customer would. What it leaves
    /// behind when it ends is no set-up any more.
    SetUp {
        /// When it ended, in the recorder's clock.
        until_ns: u64,
    },
    /// The lab's own canary.
    Canary,
    /// Nobody the lab started: a process that the sensor did not see being born.
    Stranger,
}

/// A command of a phase.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The phase.
    pub(crate) phase: String,
    /// Its number in the phase.
    pub(crate) number: u32,
    /// When it began, in the recorder's clock.
    pub(crate) from_ns: u64,
    /// When it ended; the end of time if the log breaks off.
    pub(crate) to_ns: u64,
}

impl Processes {
    /// Follows every process from its birth through the programs it ran. `brought` are the files
    /// that came with the product, `lab_program` is the digest of the lab's own program.
    #[must_use]
    pub(crate) fn of(
        lab: &[Event],
        sensor: &[Event],
        product: &Product,
        brought: &HashSet<&str>,
        lab_program: Option<Digest>,
    ) -> Self {
        let mut processes = Self { steps: steps(lab), lab: lab_program, ..Self::default() };
        processes.roots(lab, product);
        for event in sensor {
            processes.follow(event, product, brought);
        }
        processes.unmask();
        processes
    }

    /// A canary that ran anything but the lab's own program is none, whatever the lab's log says.
    fn unmask(&mut self) {
        let unmasked = self.canaries.iter().filter(|(_, canary)| canary.ran_another);
        for process in unmasked.map(|(process, _)| process) {
            if let Some(life) = self.by_id.get_mut(process) {
                life.role = Role::Stranger;
            }
        }
    }

    /// Whether a process was seen to run the lab's own program as the canary that it is said to be.
    #[must_use]
    pub(crate) fn ran_the_lab(&self, process: Process) -> bool {
        self.canaries.get(&process).is_some_and(|canary| canary.ran_the_lab && !canary.ran_another)
    }

    /// The lab's own program is told by its digest, which is missing where it ended before it
    /// could be read, and by the token that it was given.
    fn runs_canary(&mut self, process: Process, digest: Option<Digest>, argv: &[Name]) {
        let lab = self.lab;
        let canary = self.canaries.entry(process).or_default();
        let token = |word: &Name| !canary.token.is_empty() && word.as_bytes() == canary.token;
        if argv.iter().any(token) && digest.is_none_or(|digest| Some(digest) == lab) {
            canary.ran_the_lab = true;
        } else {
            canary.ran_another = true;
        }
    }

    /// Whose process it is.
    #[must_use]
    pub(crate) fn role(&self, process: Process) -> Role {
        self.by_id.get(&process).map_or(Role::Stranger, |life| life.role)
    }

    /// Whether the claims of the product file bind whom a process contacts. Setting up is laying
    /// files in place: a set-up that sends would be a way around every claim.
    #[must_use]
    pub(crate) fn is_bound(&self, process: Process) -> bool {
        !matches!(self.role(process), Role::Canary)
    }

    /// Whether the claims bind what was done in an event. Between its birth and its `exec` a
    /// command is still the lab's own code, which gives it its user and its pipes.
    #[must_use]
    pub(crate) fn binds(&self, event: &Event) -> bool {
        let Some(actor) = event.actor else { return false };
        let image = self.image_at(actor.process, event.at_ns);
        let is_the_labs = self.role(actor.process) == Role::Canary;
        !is_the_labs && !self.sets_up(event) && image.is_none_or(|image| !image.before_exec)
    }

    /// Whether an event is of a set-up command before its end.
    #[must_use]
    pub(crate) fn sets_up(&self, event: &Event) -> bool {
        let role = event.actor.map(|actor| self.role(actor.process));
        matches!(role, Some(Role::SetUp { until_ns }) if event.at_ns <= until_ns)
    }

    /// The program that a process ran at a time.
    #[must_use]
    pub(crate) fn image_at(&self, process: Process, at_ns: u64) -> Option<&Image> {
        let life = self.by_id.get(&process)?;
        life.images.iter().rev().find(|image| image.at_ns <= at_ns).or(life.images.first())
    }

    /// The program of an event, safe to print.
    #[must_use]
    pub(crate) fn program(&self, event: &Event) -> String {
        let image = event.actor.and_then(|actor| self.image_at(actor.process, event.at_ns));
        image.map_or_else(|| "an unknown program".to_owned(), |image| image.path.to_string())
    }

    /// The domain of an event's process.
    #[must_use]
    pub(crate) fn domain(&self, event: &Event) -> Option<&str> {
        self.image_at(event.actor?.process, event.at_ns)?.domain.as_deref()
    }

    /// The commands, in order.
    #[must_use]
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn roots(&mut self, lab: &[Event], product: &Product) {
        for event in lab {
            let (process, role, domain) = match &event.what {
                What::StepStarted { phase: phase_name, step, process, .. } => {
                    let mut phases = product.phases.iter();
                    let phase = phases.find(|candidate| candidate.name == *phase_name);
                    let set_up = phase.is_some_and(|phase| (*step as usize) < phase.setup.len());
                    let until_ns = self.end_of(phase_name, *step, event.at_ns);
                    let role = if set_up { Role::SetUp { until_ns } } else { Role::Product };
                    (*process, role, phase.map(|phase| phase.domain.clone()))
                }
                What::CanaryPlaced { process, token, .. } => {
                    let token = token.clone().into_bytes();
                    self.canaries.insert(*process, Canary { token, ..Canary::default() });
                    (*process, Role::Canary, None)
                }
                _ => continue,
            };
            let image = Image {
                at_ns: event.at_ns,
                row: 0,
                path: Name::from("(before its exec)"),
                digest: None,
                before_exec: true,
                domain,
            };
            self.by_id.insert(process, Life { role, images: vec![image] });
        }
    }

    /// When the command that began at this time ended.
    fn end_of(&self, phase: &str, number: u32, from_ns: u64) -> u64 {
        let began =
            |step: &&Step| step.phase == phase && step.number == number && step.from_ns == from_ns;
        self.steps.iter().find(began).map_or(u64::MAX, |step| step.to_ns)
    }

    fn follow(&mut self, event: &Event, product: &Product, brought: &HashSet<&str>) {
        let Some(actor) = event.actor else { return };
        match &event.what {
            What::Forked { child, .. } if *child != actor.process => {
                self.born(*child, actor.process, event);
            }
            What::Executed { path, digest, argv, .. } => {
                if self.role(actor.process) == Role::Canary {
                    self.runs_canary(actor.process, *digest, argv);
                }
                let is_brought = brought.contains(path.to_string().as_str());
                self.ran(actor.process, event, (path, *digest), product, is_brought);
            }
            _ => {}
        }
    }

    fn born(&mut self, child: Process, parent: Process, event: &Event) {
        if self.by_id.contains_key(&child) {
            return;
        }
        let role = self.role(parent);
        let image = self.image_at(parent, event.at_ns).cloned();
        let life = Life { role, images: image.into_iter().collect() };
        self.by_id.insert(child, life);
    }

    fn ran(
        &mut self,
        process: Process,
        event: &Event,
        (path, digest): (&Name, Option<Digest>),
        product: &Product,
        is_brought: bool,
    ) {
        let inherited = self.image_at(process, event.at_ns).and_then(|image| image.domain.clone());
        let own = product.domain_of(path.as_bytes()).map(str::to_owned);
        let image = Image {
            at_ns: event.at_ns,
            row: event.seq,
            path: path.clone(),
            digest,
            before_exec: false,
            domain: own.clone().or(inherited),
        };
        let unborn = Life { role: Role::Stranger, images: Vec::new() };
        let life = self.by_id.entry(process).or_insert(unborn);
        // A program of the product is bound by its claims even where the customer's set-up starts it,
        // and so is one that a domain forgot to name.
        if (own.is_some() || is_brought) && matches!(life.role, Role::SetUp { .. }) {
            life.role = Role::Product;
        }
        life.images.push(image);
    }
}

fn steps(lab: &[Event]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for event in lab {
        match &event.what {
            What::StepStarted { phase, step, .. } => steps.push(Step {
                phase: phase.clone(),
                number: *step,
                from_ns: event.at_ns,
                to_ns: u64::MAX,
            }),
            What::StepEnded { phase, step, .. } => {
                let ended = |open: &&mut Step| open.phase == *phase && open.number == *step;
                if let Some(open) = steps.iter_mut().rev().find(ended) {
                    open.to_ns = event.at_ns;
                }
            }
            _ => {}
        }
    }
    steps
}
