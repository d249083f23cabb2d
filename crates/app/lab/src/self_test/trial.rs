//! One trial: one side of one specimen, assayed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_events::Digest;
use watchglass_specimens::{Course, Side, Specimen, product_file};

use super::judge::{self, Outcome};
use super::round::Round;
use crate::cli::SelfTest;
use crate::specimens;

/// One side of one specimen in one build, with the seed of everything about it.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) specimen: &'static Specimen,
    pub(crate) side: Side,
    pub(crate) build: Build,
    pub(crate) round: Arc<Round>,
}

/// How the specimens were linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Build {
    /// Against the C library, as most products are.
    Dynamic,
    /// With everything inside, so that nothing can be preloaded.
    Static,
}

impl Build {
    /// Where the specimens of this build lie, beside the lab.
    pub(crate) fn folder(self, beside: &Path) -> PathBuf {
        match self {
            Self::Dynamic => beside.to_owned(),
            Self::Static => beside.join("static"),
        }
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
        })
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, side) = (self.specimen.name, self.side_word());
        write!(f, "{name}, {side}, {}, round {}", self.build, self.round.number)
    }
}

impl Trial {
    pub(crate) fn side_word(&self) -> &'static str {
        match self.side {
            Side::Misdeed => "misdeed",
            Side::Twin => "twin",
        }
    }

    /// Assays it and judges the bundle, which stays only where something is wrong, or where the
    /// caller named a folder.
    ///
    /// # Errors
    /// When the folder cannot be used. An assay that fails is an outcome.
    pub(crate) fn run(
        &self,
        arguments: &SelfTest,
        folder: &Path,
        cancelled: &AtomicBool,
    ) -> Result<Outcome> {
        let name = format!(
            "{}-{}-{}-{}",
            self.specimen.name,
            self.side_word(),
            self.build,
            self.round.number
        );
        let folder = folder.join(name);
        watchglass_store::make_folder(&folder).into_diagnostic()?;
        let product = folder.join("product.toml");
        let text = product_file(self.specimen, self.side, &self.round.parameters, "{specimens}");
        watchglass_store::write_file(&product, text.as_bytes()).into_diagnostic()?;
        let said = folder.join("said");
        let status = self.assay(arguments, &folder, cancelled)?;
        let outcome = match status.and_then(|status| status.code()) {
            Some(0 | 1 | 3) => judge::bundle(self, &folder.join("bundle")),
            _ => Outcome::Failed(last_line(&said)),
        };
        if outcome.is_as_it_should_be() && arguments.output.is_none() {
            watchglass_store::remove_folder(&folder).into_diagnostic()?;
        }
        Ok(outcome)
    }

    /// Runs this program again on the specimen; nothing where it did not end in time.
    fn assay(
        &self,
        arguments: &SelfTest,
        folder: &Path,
        cancelled: &AtomicBool,
    ) -> Result<Option<ExitStatus>> {
        let said = watchglass_store::create_file(&folder.join("said")).into_diagnostic()?;
        let own = std::env::current_exe().into_diagnostic().context("where the lab lies")?;
        let beside = PathBuf::from(specimens::folder()?);
        let mut command = Command::new(own);
        command.arg("assay").arg(folder.join("product.toml"));
        command.arg("--output").arg(folder.join("bundle"));
        command.arg("--specimens").arg(self.build.folder(&beside));
        command.args(["--runs", self.runs(), "--no-progress"]);
        command.args(["--seed", &Digest(self.round.seed).to_string()]);
        command.args(["--bait", &self.round.bait_files.to_string()]);
        command.args(["--tier", arguments.tier.word()]);
        for (option, path) in [("--cache", &arguments.cache), ("--state", &arguments.state)] {
            if let Some(path) = path {
                command.arg(option).arg(path);
            }
        }
        if self.specimen.course != Course::Idle {
            command.args(["--idle-seconds", "1"]);
        }
        let stdout = said.try_clone().into_diagnostic()?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(said);
        let mut child = command.spawn().into_diagnostic().context("starting an assay")?;
        wait(&mut child, cancelled)
    }

    /// An identifier shows by comparison; everything else shows in one run.
    fn runs(&self) -> &'static str {
        if self.specimen.expectation.check == "N7" { "A1,A2,B" } else { "A1" }
    }

    /// One line of `--json`.
    pub(crate) fn to_json(&self, outcome: &Outcome) -> serde_json::Value {
        serde_json::json!({
            "schema": 1,
            "specimen": self.specimen.name,
            "side": self.side_word(),
            "build": self.build.to_string(),
            "round": self.round.number,
            "seed": Digest(self.round.seed).to_string(),
            "check": self.specimen.expectation.check,
            "as_it_should_be": outcome.is_as_it_should_be(),
            "outcome": outcome.to_string(),
        })
    }
}

/// Longest that an assay of a specimen may take.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long an assay that was asked to end may take to clear up.
const GRACE: Duration = Duration::from_secs(30);
/// How often it is looked after.
const TICK: Duration = Duration::from_millis(50);

/// Waits for an assay, and ends one that was cancelled or takes too long. A lab that is killed is
/// cleared up by the keeper of its world.
fn wait(child: &mut Child, cancelled: &AtomicBool) -> Result<Option<ExitStatus>> {
    let mut deadline = Instant::now() + LONGEST;
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait().into_diagnostic()? {
            return Ok(Some(status).filter(|_| !asked));
        }
        let late = Instant::now() >= deadline;
        if late && asked {
            child.kill().into_diagnostic()?;
        } else if late || (cancelled.load(Ordering::Relaxed) && !asked) {
            asked = true;
            deadline = Instant::now() + GRACE;
            let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.ok_or_else(|| miette!("an assay has no process number"))?;
            // One that has ended meanwhile needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        std::thread::sleep(TICK);
    }
}

fn last_line(said: &Path) -> String {
    let text = std::fs::read_to_string(said).unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| "the assay said nothing".to_owned(), |line| line.trim().to_owned())
}
