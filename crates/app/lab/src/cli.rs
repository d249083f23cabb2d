//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs any anti-virus in a sealed world and gives a verdict that strangers can check again.
#[derive(Debug, Parser)]
#[command(name = "watchglass", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Assay(Assay),
    /// Show what changed between two bundles
    #[command(hide = true)]
    Diff(Diff),
    /// Check a product file and list every mistake in it
    #[command(hide = true)]
    Check(Check),
    /// Print an event log as JSON lines
    Events(Events),
    /// Tell what this machine offers the lab
    Doctor(Doctor),
}

/// Run a product in a sealed world and judge it
///
/// Exit codes: 0 kept, 1 broken (the product's verdict, not a failure), 2 error, 3 inconclusive.
///
/// Example: watchglass assay products/clamav.toml -o assay-clamav
#[derive(Debug, Args)]
pub(crate) struct Assay {
    /// The product file
    pub(crate) product: PathBuf,
    /// Folder for the bundle; it must not exist, or hold an assay of the same file that broke off
    ///
    /// Default: assay-NAME in the current folder, with a number if that exists.
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// What stands for the internet
    #[arg(long, value_enum, default_value_t = NetworkChoice::Vendor)]
    pub(crate) network: NetworkChoice,
    /// Which kernel instrument to use; T1 needs root and BPF
    #[arg(long, value_enum, default_value_t = TierChoice::Auto)]
    pub(crate) tier: TierChoice,
    /// Seed of baits and identities, 64 hexadecimal digits; a fresh one unless given
    #[arg(long)]
    pub(crate) seed: Option<String>,
    /// About how many bait files to plant
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(..=i64::from(watchglass_checks::MAX_BAIT_FILES)))]
    pub(crate) bait: u32,
    /// Runs to make, of A1, A2, B, C, S; all that the product file has a use for unless given
    #[arg(long, value_delimiter = ',')]
    pub(crate) runs: Vec<String>,
    /// Longest that an idle phase may take, in seconds of this machine
    #[arg(long, default_value_t = 20)]
    pub(crate) idle_seconds: u64,
    /// The scenario that the fake internet plays
    ///
    /// Default: NAME.scenario.toml beside the product file NAME.toml, if it exists.
    #[arg(long)]
    pub(crate) scenario: Option<PathBuf>,
    /// Folder for roots that are kept between assays
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder for the lab's own state: the signing key and what a crashed lab left
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
    /// Most that the bundle may grow to, in MiB; a run that would go beyond its share is stopped
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=MAX_BUNDLE_MIB))]
    pub(crate) max_mib: u64,
    /// Keep the kernel's build, processors and memory of this machine out of the bundle
    #[arg(long)]
    pub(crate) scrub: bool,
    /// Print what would be done, with its cost, and end
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Print no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Switch a source off, to see that the verdict notices (for tests of the lab)
    #[arg(long, hide = true, value_delimiter = ',')]
    pub(crate) blind: Vec<String>,
}

/// Nobody reads a larger bundle.
const MAX_BUNDLE_MIB: u64 = watchglass_evidence::MAX_TOTAL_BYTES >> 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkChoice {
    /// Nothing answers
    None,
    /// The fake internet plays the vendor
    Vendor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TierChoice {
    /// The best that this machine offers
    Auto,
    /// ptrace
    T0,
    /// BPF
    T1,
}

/// Two bundles.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The earlier bundle
    pub(crate) before: PathBuf,
    /// The later bundle
    pub(crate) after: PathBuf,
    /// Print one JSON object for each difference
    #[arg(long)]
    pub(crate) json: bool,
}

/// A product file.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The product file
    pub(crate) product: PathBuf,
}

/// An event log.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// The log, such as BUNDLE/runs/A1/sensor.log
    pub(crate) log: PathBuf,
}

/// What this machine offers.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print one JSON object for each line
    #[arg(long)]
    pub(crate) json: bool,
}
