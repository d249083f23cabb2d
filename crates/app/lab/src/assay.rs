//! The campaign: runs, evidence, verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_checks::results::Results;
use watchglass_claims::{Install, Product};
use watchglass_events::Digest;
use watchglass_evidence::{
    Campaign, Choice, Network, PlannedRun, WorldKind, to_canonical, to_lines,
};
use watchglass_store::{SigningKey, write_file};
use watchglass_world::PreparedRoot;

use crate::choose::{self, Chosen, Rights, Unavailable};
use crate::cli::{Assay, NetworkChoice};
use crate::environment::Telling;
use crate::plan::{self, Group, Seeds};
use crate::progress::Progress;
use crate::run::{self, Setting};
use crate::{clock, environment, furnish, in_place, output, real, scenario};

/// Assays the product that was asked for, or the other one where this machine cannot. `refused` is
/// what this process could not get before.
pub(crate) fn assay(arguments: &Assay, refused: Option<Choice>) -> Result<ExitCode> {
    let refused = Vec::from_iter(refused);
    let asked = one(arguments, refused.clone());
    let (Err(report), Some(other)) = (&asked, &arguments.or_else) else { return asked };
    let Some(Unavailable(why)) = report.downcast_ref::<Unavailable>() else { return asked };
    let what = format!("{} instead of {}", other.display(), arguments.product.display());
    let instead = choose::choice(&what, why);
    let before = [vec![instead], refused].concat();
    one(&Assay { product: other.clone(), or_else: None, ..arguments.clone() }, before)
}

fn one(arguments: &Assay, before: Vec<Choice>) -> Result<ExitCode> {
    let Some((results, folder)) = record(arguments, before)? else {
        return Ok(ExitCode::SUCCESS);
    };
    tell(arguments, &results, &folder)?;
    Ok(ExitCode::from(watchglass_recheck::exit_code(results.verdict.state)))
}

/// Makes a bundle: its results and its folder. `None` where only the plan was asked for.
pub(crate) fn record(arguments: &Assay, before: Vec<Choice>) -> Result<Option<(Results, PathBuf)>> {
    let (product, text) = output::read_product(&arguments.product)?;
    real::allow(arguments.network, &product)?;
    let chosen = choose::choose(arguments, &product, before)?;
    crate::blind::check(arguments, chosen.tier)?;
    let seed = seed(arguments.seed.as_deref())?;
    let network = arguments.network != NetworkChoice::None;
    let groups = plan::groups(&product, Seeds::from_campaign(&seed), network, &arguments.runs);
    if groups.is_empty() {
        return Err(miette!(help = "runs are A1, A2, B, C and S", "no run is left to make"));
    }
    let mut progress = Progress::new(arguments.no_progress);
    progress.say(&chosen.first_line());
    announce(&mut progress, arguments, &product, &seed, &groups);
    if arguments.dry_run {
        return Ok(None);
    }
    // What can be told now is told before anything is begun.
    scenario::scenario(arguments, None)?;
    furnish::are_there(&run::filled_for_lab(&product, arguments)?)?;
    let folder = folder(arguments, &product)?;
    let campaign = campaign(arguments, &product, &chosen, &groups)?;
    let results = make(arguments, &product, &text, &chosen, campaign, &folder, &mut progress)?;
    progress.clear();
    Ok(Some((results, folder)))
}

fn announce(
    progress: &mut Progress,
    arguments: &Assay,
    product: &Product,
    seed: &[u8; 32],
    groups: &[Group],
) {
    let idle = arguments.idle(true);
    let names: Vec<&str> =
        groups.iter().flat_map(|group| &group.runs).map(|run| run.name.as_str()).collect();
    let longest = plan::longest(product, groups, idle).as_secs() / 60;
    progress.say(&format!(
        "runs {}; at most {longest} minutes, commonly a tenth of it",
        names.join(", ")
    ));
    progress
        .say(&format!("seed {}; give it with --seed to plant the same bait again", Digest(*seed)));
}

/// The seed that was given, or a fresh one.
pub(crate) fn seed(given: Option<&str>) -> Result<[u8; 32]> {
    match given {
        None => watchglass_store::random_seed().into_diagnostic(),
        Some(text) => Digest::parse(text)
            .map(|digest| digest.0)
            .ok_or_else(|| miette!("--seed takes 64 lower-case hexadecimal digits")),
    }
}

/// The folder of the bundle: the one that was asked for, or a new one. It is made later, when
/// nothing can stop the first run any more.
fn folder(arguments: &Assay, product: &Product) -> Result<PathBuf> {
    let folder = arguments
        .output
        .clone()
        .map_or_else(|| free_name(&format!("assay-{}", product.product.name)), Ok)?;
    if folder.join(watchglass_evidence::ENVELOPE).exists() {
        let help = "give another folder with -o, or move this one away";
        return Err(miette!(help = help, "{} holds a finished bundle", folder.display()));
    }
    let unfinished = folder.join("campaign.json").exists();
    let occupied =
        !unfinished && std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(miette!("{} is not empty", folder.display()));
    }
    can_be_made(&folder)?;
    Ok(folder)
}

/// A folder that cannot be written is told before the root is made, not a minute later.
fn can_be_made(folder: &Path) -> Result<()> {
    let whole = std::path::absolute(folder).into_diagnostic()?;
    let Some(nearest) = whole.ancestors().find(|path| path.exists()) else { return Ok(()) };
    if !nearest.is_dir() {
        return Err(miette!("{} is no folder", nearest.display()));
    }
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(nearest, wanted).into_diagnostic().wrap_err_with(|| {
        format!("cannot write to {}; name another folder with -o", nearest.display())
    })
}

/// A folder here that does not exist yet, with plain letters and a number if need be.
pub(crate) fn free_name(wanted: &str) -> Result<PathBuf> {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let base: String = wanted.chars().map(plain).collect();
    let names = (1_u32..1000).map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") });
    let free = names.map(PathBuf::from).find(|path| !path.exists());
    free.ok_or_else(|| miette!("a thousand bundles lie here; name one with -o"))
}

fn campaign(
    arguments: &Assay,
    product: &Product,
    chosen: &Chosen,
    groups: &[Group],
) -> Result<Campaign> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).into_diagnostic()?;
    Ok(Campaign {
        schema: 1,
        assayer: concat!("watchglass-lab ", env!("CARGO_PKG_VERSION")).to_owned(),
        began_unix_seconds: now.as_secs(),
        world: match product.install {
            _ if chosen.rights == Rights::InPlace => WorldKind::InPlace,
            Install::Debian { .. } => WorldKind::Debian,
            Install::Host { .. } => WorldKind::Host,
        },
        network: match arguments.network {
            NetworkChoice::None => Network::None,
            NetworkChoice::Vendor => Network::Vendor,
            NetworkChoice::Real => Network::Real,
        },
        tier: chosen.tier,
        runs: groups.iter().flat_map(|group| group.runs.clone()).collect(),
        choices: chosen.choices.clone(),
        bait_files: arguments.bait,
        idle_speed: 1,
        bait_generator: watchglass_bait::GENERATOR_VERSION,
    })
}

fn make(
    arguments: &Assay,
    product: &Product,
    text: &str,
    chosen: &Chosen,
    campaign: Campaign,
    folder: &Path,
    progress: &mut Progress,
) -> Result<Results> {
    let key = SigningKey::open_or_make(&chosen.state.join("assayer.key")).into_diagnostic()?;
    for left in watchglass_world::sweep(&chosen.cache).into_diagnostic()? {
        progress.say(&format!("removed what a crashed lab left: {left}"));
    }
    for left in in_place::sweep()? {
        progress.say(&format!("removed what a crashed lab left: {left}"));
    }
    let cancelled = cancellation()?;
    let root = prepared(arguments, product, chosen, &cancelled, progress)?;
    watchglass_store::make_folder(folder).into_diagnostic()?;
    // A file for the world alone is laid by the machine's root.
    let hastener = clock::library(&root).filter(|_| chosen.rights == Rights::Root);
    let idle_speed = hastener.as_ref().map_or(1, |_| clock::SPEED);
    let telling = if arguments.scrub { Telling::Little } else { Telling::Everything };
    let environment = environment::environment(telling);
    let environment = to_canonical(&environment).into_diagnostic()?;
    let fixed = [("product.toml", text.as_bytes()), ("environment.json", environment.as_slice())];
    let campaign = resume(folder, Campaign { idle_speed, ..campaign }, fixed)?;
    for (name, bytes) in fixed {
        write(folder, name, bytes)?;
    }
    write(folder, "campaign.json", &to_canonical(&campaign).into_diagnostic()?)?;
    let inventory = run::inventory(&root, &run::filled_for_lab(product, arguments)?)?;
    write(folder, "inventory.jsonl", &to_lines(&inventory).into_diagnostic()?)?;
    let mut setting = Setting {
        arguments,
        product,
        chosen,
        campaign: &campaign,
        root: &root,
        hastener: hastener.as_deref(),
        folder,
        cancelled: &cancelled,
        progress,
    };
    for group in groups_of(&campaign.runs) {
        if run::is_done(folder, &group) {
            setting.progress.say(&format!("run {} is there already", names(&group)));
            continue;
        }
        run::group(&mut setting, &group)?;
        if cancelled.load(Ordering::Relaxed) {
            return Err(miette!(
                help = "the same command goes on with the run that broke off",
                "interrupted; what was recorded is in {}",
                folder.display()
            ));
        }
    }
    progress.say("judging the evidence");
    output::seal(folder, &key)
}

/// The product's root. A machine that cannot make it may assay another product.
fn prepared(
    arguments: &Assay,
    product: &Product,
    chosen: &Chosen,
    cancelled: &AtomicBool,
    progress: &mut Progress,
) -> Result<PreparedRoot> {
    let prepared = run::prepare_root(product, &chosen.cache, cancelled, progress);
    if arguments.or_else.is_none() || cancelled.load(Ordering::Relaxed) {
        return prepared;
    }
    prepared.map_err(|error| {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        Unavailable(causes.join(": ")).into()
    })
}

/// Runs that share a world stand together.
fn groups_of(runs: &[PlannedRun]) -> Vec<Vec<PlannedRun>> {
    let mut groups: Vec<Vec<PlannedRun>> = Vec::new();
    for run in runs {
        match groups.last_mut() {
            Some(group) if run.same_world => group.push(run.clone()),
            _ => groups.push(vec![run.clone()]),
        }
    }
    groups
}

fn names(group: &[PlannedRun]) -> String {
    group.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// An assay that broke off keeps its seeds; anything else in its plan must be the same, and once
/// something was recorded the `fixed` documents too: the product file, and the environment, which
/// holds the digest of the lab by which its canaries are known.
fn resume(folder: &Path, campaign: Campaign, fixed: [(&str, &[u8]); 2]) -> Result<Campaign> {
    let Ok(bytes) = std::fs::read(folder.join("campaign.json")) else { return Ok(campaign) };
    let before: Campaign =
        watchglass_evidence::parse_document(&bytes).into_diagnostic().context("campaign.json")?;
    let same = before.tier == campaign.tier
        && before.world == campaign.world
        && before.network == campaign.network
        && before.bait_files == campaign.bait_files
        && before.idle_speed == campaign.idle_speed
        && before.bait_generator == campaign.bait_generator
        && before.runs.iter().map(|run| &run.name).eq(campaign.runs.iter().map(|run| &run.name));
    let recorded = folder.join("runs").exists();
    let is_same = |(name, bytes): (&str, &[u8])| {
        std::fs::read(folder.join(name)).is_ok_and(|before| before == bytes)
    };
    if same && (!recorded || fixed.into_iter().all(is_same)) {
        Ok(before)
    } else {
        let help = "give another folder with -o, or remove this one";
        Err(miette!(help = help, "{} holds an assay with another plan", folder.display()))
    }
}

pub(crate) fn cancellation() -> Result<Arc<AtomicBool>> {
    let cancelled = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second Ctrl-C ends the lab at once; the keeper of the world then clears up.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&cancelled))
            .into_diagnostic()?;
        signal_hook::flag::register(signal, Arc::clone(&cancelled)).into_diagnostic()?;
    }
    Ok(cancelled)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    write_file(&folder.join(name), bytes).into_diagnostic()
}

fn tell(arguments: &Assay, results: &Results, folder: &Path) -> Result<()> {
    let report = folder.join(watchglass_evidence::REPORT);
    if arguments.json {
        let line = serde_json::json!({
            "schema": 1,
            "verdict": results.verdict,
            "bundle": folder.display().to_string(),
            "report": report.display().to_string(),
        });
        println!("{line}");
        return Ok(());
    }
    println!("{}", watchglass_report::summary(results));
    println!("report: {}", report.display());
    println!("check again: watchglass recheck {}", folder.display());
    Ok(())
}
