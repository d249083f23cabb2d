//! The parts of a bundle, read and put side by side: what every check starts from.

use std::cell::OnceCell;
use std::collections::HashSet;

use thiserror::Error;
use watchglass_claims::Product;
use watchglass_events::log::{self, Log, LogError};
use watchglass_events::{Digest, Event, What};
use watchglass_evidence::{
    Bundle, Campaign, DocumentError, Environment, InventoryFile, PartName, PlannedRun,
    parse_document, parse_lines,
};

use crate::bait::Planted;
use crate::claimed::Claimed;
use crate::clock::Clocks;
use crate::contacts::{self, Contacts};
use crate::link::Link;
use crate::processes::Processes;
use crate::rules::{self, Witness};
use crate::senders::Senders;

/// A campaign's evidence.
#[derive(Debug)]
pub struct Case {
    /// The product file.
    pub(crate) product: Product,
    /// Its SHA-256.
    pub(crate) product_sha256: String,
    /// What was run.
    pub(crate) campaign: Campaign,
    /// Where.
    pub(crate) environment: Environment,
    /// The product's packages and files.
    pub(crate) inventory: Vec<InventoryFile>,
    /// SHA-256 of the inventory.
    pub(crate) inventory_sha256: String,
    /// The runs, in order.
    pub(crate) runs: Vec<Run>,
}

/// The evidence of one run.
#[derive(Debug)]
pub(crate) struct Run {
    /// What was planned.
    pub(crate) plan: PlannedRun,
    /// The product's claims with the placeholders of this run filled in.
    pub(crate) product: Product,
    /// The same claims, ready to be asked.
    pub(crate) claimed: Claimed,
    /// What was planted.
    pub(crate) planted: Planted,
    /// Marks of the lab.
    pub(crate) lab: Log,
    /// What the kernel sensor saw, in order of time.
    pub(crate) sensor: Log,
    /// Clear text at the gate.
    pub(crate) gate: Log,
    /// What differs on disk.
    pub(crate) overlay: Log,
    /// The link.
    pub(crate) link: Link,
    /// Who the subject's processes are.
    pub(crate) processes: Processes,
    /// The clocks of its idle phases.
    pub(crate) clocks: Clocks,
    /// What is put together from the logs when it is asked for first.
    derived: Derived,
}

/// What several checks put together from a run's logs, once.
#[derive(Debug, Default)]
struct Derived {
    contacts: OnceCell<Contacts>,
    senders: OnceCell<Senders>,
    witnesses: OnceCell<Vec<Witness>>,
    tokens: OnceCell<Vec<String>>,
}

/// Why a bundle cannot be judged at all. Whoever signed it did not make it with this lab.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A part that every campaign has is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A log is false.
    #[error("{part}")]
    Log {
        /// Which log.
        part: String,
        /// What is wrong with it.
        #[source]
        source: LogError,
    },
    /// A document is false.
    #[error("{part}")]
    Document {
        /// Which document.
        part: String,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// The capture is false.
    #[error("{part}: {reason}")]
    Capture {
        /// Which capture.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The product file does not parse.
    #[error("product.toml: {0}")]
    Product(String),
    /// A run's folder holds another run.
    #[error("runs/{planned}/lab.log is the log of run {found}")]
    OtherRun {
        /// The run that was planned.
        planned: String,
        /// The run that is there, safe to print.
        found: String,
    },
    /// The bait cannot be made again: its generator is another than this program's.
    #[error(
        "campaign.json: its bait was made by version {found} of the generator, this program has \
         version {own}; check it with a watchglass-recheck of that version"
    )]
    Generator {
        /// The version that made it.
        found: u32,
        /// The version here.
        own: u32,
    },
    /// The campaign contradicts itself.
    #[error("campaign.json: {0}")]
    Campaign(String),
}

impl Case {
    /// Reads the parts of a verified bundle.
    ///
    /// # Errors
    /// A [`CaseError`] that names the part.
    pub fn open(bundle: &Bundle) -> Result<Self, CaseError> {
        Self::from_parts(bundle.parts())
    }

    /// Reads parts that are not in a bundle yet, for the lab that makes one.
    ///
    /// # Errors
    /// A [`CaseError`] that names the part.
    pub fn from_parts(
        parts: &std::collections::BTreeMap<PartName, Vec<u8>>,
    ) -> Result<Self, CaseError> {
        let parts = Parts(parts);
        let text = parts.get("product.toml")?;
        let product = product(text)?;
        let campaign: Campaign = parts.document("campaign.json")?;
        sensible(&campaign)?;
        let environment: Environment = parts.document("environment.json")?;
        let lab = environment.tools.iter().find(|tool| tool.name == LAB_PROGRAM);
        let lab = lab.and_then(|tool| Digest::parse(&tool.sha256));
        let inventory_bytes = parts.get("inventory.jsonl")?;
        let inventory: Vec<InventoryFile> = parse_lines(inventory_bytes)
            .map_err(|source| CaseError::Document { part: "inventory.jsonl".into(), source })?;
        let brought = brought(&inventory);
        let runs =
            campaign.runs.iter().map(|plan| parts.run(plan, &campaign, &product, &brought, lab));
        let runs = runs.collect::<Result<_, _>>()?;
        let digest = |bytes| Digest::of(bytes).to_string();
        let (product_sha256, inventory_sha256) = (digest(text), digest(inventory_bytes));
        Ok(Self {
            product,
            product_sha256,
            campaign,
            environment,
            inventory,
            inventory_sha256,
            runs,
        })
    }

    /// Whether a difference on disk is a file that the lab's own canary wrote: its name and its
    /// whole content are the token.
    pub(crate) fn is_canary_file(&self, what: &What) -> bool {
        let What::Differs { path, digest: Some(digest), .. } = what else { return false };
        let tokens = self.runs.iter().flat_map(Run::tokens);
        let mut tokens = tokens.filter(|token| path.as_bytes().ends_with(token.as_bytes()));
        tokens.any(|token| *digest == watchglass_events::Digest::of(token.as_bytes()))
    }

    /// The run of that name.
    #[must_use]
    pub(crate) fn run(&self, name: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.plan.name == name)
    }
}

/// Paths of the files that came with the product.
fn brought(inventory: &[InventoryFile]) -> HashSet<&str> {
    let paths = inventory.iter().filter_map(|row| match row {
        InventoryFile::File { path, .. } => Some(path.as_str()),
        InventoryFile::Package(_) => None,
    });
    paths.collect()
}

/// What can be told of a campaign before its runs are read, which takes time and memory for each.
fn sensible(campaign: &Campaign) -> Result<(), CaseError> {
    let (found, own) = (campaign.bait_generator, watchglass_bait::GENERATOR_VERSION);
    if found != own {
        return Err(CaseError::Generator { found, own });
    }
    if campaign.bait_files > MAX_BAIT_FILES {
        let error = format!("{} bait files, limit {MAX_BAIT_FILES}", campaign.bait_files);
        return Err(CaseError::Campaign(error));
    }
    if campaign.runs.len() > MAX_RUNS {
        return Err(CaseError::Campaign(format!("{} runs, limit {MAX_RUNS}", campaign.runs.len())));
    }
    let mut names = std::collections::BTreeSet::new();
    match campaign.runs.iter().find(|run| !names.insert(&run.name)) {
        Some(twice) => {
            let name = watchglass_events::printable(&twice.name);
            Err(CaseError::Campaign(format!("run {name} is planned twice")))
        }
        None => Ok(()),
    }
}

/// A campaign has five runs, or ten for statistics.
const MAX_RUNS: usize = 16;
/// More bait than this would make a stranger's bundle slow to check.
pub const MAX_BAIT_FILES: u32 = 20_000;

/// What `environment.json` calls the program that canaries run.
pub const LAB_PROGRAM: &str = "watchglass-lab";

struct Parts<'a>(&'a std::collections::BTreeMap<PartName, Vec<u8>>);

impl Parts<'_> {
    fn get(&self, name: &str) -> Result<&[u8], CaseError> {
        let part = PartName::parse(name).ok().and_then(|name| self.0.get(&name));
        part.map(Vec::as_slice).ok_or_else(|| CaseError::Missing(name.to_owned()))
    }

    fn document<T>(&self, name: &str) -> Result<T, CaseError>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        let wrong = |source| CaseError::Document { part: name.to_owned(), source };
        parse_document(self.get(name)?).map_err(wrong)
    }

    fn log(&self, run: &str, name: &str) -> Result<Log, CaseError> {
        let part = format!("runs/{run}/{name}");
        let bytes = self.get(&part)?;
        log::parse(bytes).map_err(|source| CaseError::Log { part, source })
    }

    fn run(
        &self,
        plan: &PlannedRun,
        campaign: &Campaign,
        product: &Product,
        brought: &HashSet<&str>,
        lab_program: Option<Digest>,
    ) -> Result<Run, CaseError> {
        let name = plan.name.as_str();
        let contradicts = |error: String| CaseError::Campaign(format!("run {name}: {error}"));
        let planted =
            Planted::of(plan, campaign).ok_or_else(|| contradicts("no seed".to_owned()))?;
        let filled =
            product.fill(&planted.values).map_err(|error| contradicts(error.to_string()))?;
        let lab = self.log(name, "lab.log")?;
        is_of(name, &lab)?;
        let mut sensor = self.log(name, "sensor.log")?;
        sensor.events.sort_by_key(|event| (event.at_ns, event.seq));
        let clocks = Clocks::of(&lab.events, &sensor.events);
        // The library of the hastened clock works in the subject's processes on the lab's behalf.
        sensor.events.retain(|event| !clocks.is_own(event));
        let processes = Processes::of(&lab.events, &sensor.events, &filled, brought, lab_program);
        Ok(Run {
            plan: plan.clone(),
            claimed: Claimed::of(&filled).map_err(|error| contradicts(error.to_string()))?,
            product: filled,
            planted,
            gate: self.log(name, "gate.log")?,
            overlay: self.log(name, "overlay.log")?,
            link: self.link(plan)?,
            lab,
            sensor,
            processes,
            clocks,
            derived: Derived::default(),
        })
    }

    fn link(&self, plan: &PlannedRun) -> Result<Link, CaseError> {
        let part = format!("runs/{}/packets.pcapng", plan.name);
        let bytes = self.get(&part)?;
        Link::read(bytes).map_err(|reason| CaseError::Capture { part, reason })
    }
}

/// A log that broke off before it says of which run it is counts as broken off, not as false.
fn is_of(planned: &str, lab: &Log) -> Result<(), CaseError> {
    let other = lab.events.iter().find_map(|event| match &event.what {
        What::RunStarted { run, .. } if run != planned => Some(watchglass_events::printable(run)),
        _ => None,
    });
    other.map_or(Ok(()), |found| {
        let (planned, found) = (planned.to_owned(), found.into_owned());
        Err(CaseError::OtherRun { planned, found })
    })
}

fn product(text: &[u8]) -> Result<Product, CaseError> {
    let text =
        std::str::from_utf8(text).map_err(|_| CaseError::Product("it is not UTF-8".to_owned()))?;
    Product::parse(text).map_err(|problems| {
        let first = problems.first();
        CaseError::Product(first.map_or_else(String::new, |problem| problem.message.clone()))
    })
}

impl Run {
    /// Whom on the network was reached.
    pub(crate) fn contacts(&self) -> &Contacts {
        self.derived.contacts.get_or_init(|| Contacts::of(self))
    }

    /// Whose the sockets are.
    pub(crate) fn senders(&self) -> &Senders {
        self.derived.senders.get_or_init(|| Senders::of(self))
    }

    /// Every far end that bait can have reached, nearest first.
    pub(crate) fn witnesses(&self, case: &Case) -> &[Witness] {
        self.derived.witnesses.get_or_init(|| rules::witnesses(case, self))
    }

    /// Tokens of the canaries.
    pub(crate) fn tokens(&self) -> &[String] {
        self.derived.tokens.get_or_init(|| contacts::tokens(self))
    }

    /// A row of a log of this run.
    #[must_use]
    pub(crate) fn row(&self, log: &str, row: u64) -> crate::results::Evidence {
        crate::results::Evidence { part: format!("runs/{}/{log}", self.plan.name), row }
    }

    /// A row of the kernel sensor's log.
    #[must_use]
    pub(crate) fn sensed(&self, event: &Event) -> crate::results::Evidence {
        self.row("sensor.log", event.seq)
    }

    /// When the run began, in the recorder's clock.
    #[must_use]
    pub(crate) fn began_ns(&self) -> u64 {
        let begins = |event: &&Event| matches!(event.what, What::RunStarted { .. });
        self.lab.events.iter().find(begins).map_or(0, |event| event.at_ns)
    }
}
