//! The lab's own proof: every misdeed is flagged, every twin is kept.
//!
//! Each trial is an assay of its own, by this very program; it is judged by its bundle, as a
//! stranger would judge it, against what the catalogue of specimens says must be found.

mod judge;
mod round;
mod trial;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use miette::{IntoDiagnostic as _, Result, miette};
use watchglass_events::Digest;
use watchglass_specimens::{SPECIMENS, Side};

use crate::cli::SelfTest;
use crate::progress::Progress;
use crate::{assay, specimens};
use judge::Outcome;
use round::Round;
pub(crate) use trial::Build;
use trial::Trial;

pub(crate) fn self_test(arguments: &SelfTest) -> Result<ExitCode> {
    let seed = assay::seed(arguments.seed.as_deref())?;
    let trials = trials(arguments, &seed)?;
    let folder = folder(arguments)?;
    let mut progress = Progress::new(arguments.no_progress);
    progress.say(&format!(
        "self-test: {} assays, {} at a time; seed {}",
        trials.len(),
        arguments.jobs,
        Digest(seed)
    ));
    let cancelled = assay::cancellation()?;
    let judged = run_all(arguments, trials, &folder, &cancelled, &mut progress)?;
    progress.clear();
    if cancelled.load(Ordering::Relaxed) {
        return Err(miette!("interrupted after {} assays", judged.len()));
    }
    tell(arguments, &judged);
    let failed = judged.iter().filter(|(_, outcome)| !outcome.is_as_it_should_be()).count();
    if failed == 0 && arguments.output.is_none() {
        watchglass_store::remove_folder(&folder).into_diagnostic()?;
    }
    if failed > 0 {
        eprintln!("bundles of what went wrong: {}", folder.display());
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Every specimen's two sides, in every round, dynamically linked and, where they were built, as
/// static programs.
fn trials(arguments: &SelfTest, seed: &[u8; 32]) -> Result<VecDeque<Trial>> {
    for name in &arguments.only {
        if !SPECIMENS.iter().any(|specimen| specimen.name == *name) {
            let known: Vec<&str> = SPECIMENS.iter().map(|specimen| specimen.name).collect();
            return Err(miette!(
                help = format!("known are {}", known.join(", ")),
                "no specimen is called `{}`",
                name.escape_debug()
            ));
        }
    }
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|one| one == name);
    let builds = builds(arguments)?;
    let mut trials = VecDeque::new();
    for number in 1..=arguments.rounds {
        let round = Arc::new(Round::new(seed, number, arguments.bait));
        for build in &builds {
            for specimen in SPECIMENS.iter().filter(|specimen| wanted(specimen.name)) {
                for side in [Side::Misdeed, Side::Twin] {
                    let round = Arc::clone(&round);
                    trials.push_back(Trial { specimen, side, build: *build, round });
                }
            }
        }
    }
    Ok(trials)
}

fn builds(arguments: &SelfTest) -> Result<Vec<Build>> {
    let folder = PathBuf::from(specimens::folder()?);
    let is_built = |build: &Build| build.folder(&folder).join("specimen-scan").is_file();
    for build in &arguments.builds {
        if !is_built(build) {
            return Err(miette!(
                help = "`./x assay --self-test` builds them",
                "the {build} specimens are not in {}",
                build.folder(&folder).display()
            ));
        }
    }
    if !arguments.builds.is_empty() {
        return Ok(arguments.builds.clone());
    }
    let built: Vec<Build> = [Build::Dynamic, Build::Static].into_iter().filter(is_built).collect();
    if built.is_empty() {
        return Err(miette!(
            help = "`./x assay --self-test` builds them",
            "the specimens are not in {}",
            folder.display()
        ));
    }
    Ok(built)
}

fn folder(arguments: &SelfTest) -> Result<PathBuf> {
    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => assay::free_name("self-test")?,
    };
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(miette!("{} is not empty", folder.display()));
    }
    watchglass_store::make_folder(&folder).into_diagnostic()?;
    folder.canonicalize().into_diagnostic()
}

type Judged = Vec<(Trial, Outcome)>;

/// Runs all trials on a few threads, each of which waits for one assay at a time.
fn run_all(
    arguments: &SelfTest,
    trials: VecDeque<Trial>,
    folder: &Path,
    cancelled: &Arc<AtomicBool>,
    progress: &mut Progress,
) -> Result<Judged> {
    let count = trials.len();
    let waiting = Mutex::new(trials);
    let (sender, results) = mpsc::channel();
    let mut judged = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            let (sender, waiting) = (sender.clone(), &waiting);
            scope.spawn(move || {
                while let Some(trial) = next(waiting, cancelled) {
                    let outcome = trial.run(arguments, folder, cancelled);
                    if sender.send((trial, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (trial, outcome) in results {
            let outcome = outcome?;
            progress.say(&format!("{}/{count} {trial}: {outcome}", judged.len() + 1));
            judged.push((trial, outcome));
        }
        Ok(judged)
    })
}

fn next(waiting: &Mutex<VecDeque<Trial>>, cancelled: &AtomicBool) -> Option<Trial> {
    if cancelled.load(Ordering::Relaxed) {
        return None;
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn tell(arguments: &SelfTest, judged: &Judged) {
    if arguments.json {
        judged.iter().for_each(|(trial, outcome)| println!("{}", trial.to_json(outcome)));
        return;
    }
    let mut rows: BTreeMap<(&str, String), Vec<&Outcome>> = BTreeMap::new();
    for (trial, outcome) in judged {
        let column = format!("{} {}", trial.build, trial.side_word());
        rows.entry((trial.specimen.name, column)).or_default().push(outcome);
    }
    for ((name, column), outcomes) in &rows {
        let good = outcomes.iter().filter(|outcome| outcome.is_as_it_should_be()).count();
        println!("{name:<24} {column:<16} {good}/{} {}", outcomes.len(), words(outcomes));
    }
    let good = judged.iter().filter(|(_, outcome)| outcome.is_as_it_should_be()).count();
    println!("{good} of {} assays went as they should", judged.len());
}

/// What came out, each once.
fn words(outcomes: &[&Outcome]) -> String {
    let mut words: Vec<String> = outcomes.iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    words.join("; ")
}
