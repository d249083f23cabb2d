//! The arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::self_test::Build;

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
    #[command(hide = true)]
    SelfTest(SelfTest),
    /// Show what changed between two bundles
    #[command(hide = true)]
    Diff(Diff),
    /// Check a product file and list every mistake in it
    #[command(hide = true)]
    Check(Check),
    #[command(hide = true)]
    Init(Init),
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
///
/// `watchglass assay --self-test` proves the lab on products that misbehave.
#[derive(Clone, Debug, Args)]
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
    ///
    /// Where its clock can be hastened, a day takes 87 seconds. Default: 300, into which 72 hours
    /// fit; 20 where it cannot.
    #[arg(long)]
    pub(crate) idle_seconds: Option<u64>,
    /// The scenario that the fake internet plays
    ///
    /// Default: NAME.scenario.toml beside the product file NAME.toml, if it exists.
    #[arg(long)]
    pub(crate) scenario: Option<PathBuf>,
    /// Folder of the lab's own products, which a product file calls `{specimens}`
    #[arg(long, hide = true)]
    pub(crate) specimens: Option<PathBuf>,
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
    /// Run among this machine's own processes, where namespaces are refused
    ///
    /// Only the lab's own products run so: their files are kept to a scratch folder by Landlock,
    /// their connections are turned to a fake internet on the loopback device. It is chosen by
    /// itself where nothing better can be had.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Run other products in place too, as your own user and beside your own processes
    #[arg(long, requires = "in_place")]
    pub(crate) r#unsafe: bool,
    /// The product file to use where the first cannot be assayed on this machine
    #[arg(long)]
    pub(crate) or_else: Option<PathBuf>,
    /// Switch a source off, or make its buffer small (`buffer`), to see that the verdict notices
    /// (for tests of the lab)
    #[arg(long, hide = true, value_enum, value_delimiter = ',')]
    pub(crate) blind: Vec<crate::blind::Blind>,
}

impl Assay {
    /// The longest that an idle phase may take on the machine's clock.
    pub(crate) fn idle(&self, hastened: bool) -> Duration {
        let otherwise = if hastened { 300 } else { 20 };
        Duration::from_secs(self.idle_seconds.unwrap_or(otherwise))
    }
}
/// Nobody reads a larger bundle.
const MAX_BUNDLE_MIB: u64 = watchglass_evidence::MAX_TOTAL_BYTES >> 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkChoice {
    /// Nothing answers
    None,
    /// The fake internet plays the vendor
    Vendor,
    /// What is said is passed on to the real network and recorded; TLS is not opened
    ///
    /// As root only, and not for product files with host = true. Addresses that are not public are
    /// refused.
    Real,
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

/// Prove the lab: every misdeed of the specimens must be flagged, every honest twin kept
///
/// A misdeed is flagged when the check it was made for is broken, naming the planted file and the
/// destination; a twin is kept when that same check is kept. File, host, port, encoding, delay and
/// names come from a fresh seed in each round.
///
/// Exit codes: 0 all went as it should, 1 something was missed or falsely flagged, 2 error.
///
/// Example: watchglass assay --self-test --only document-upload,dns-labels --rounds 1
#[derive(Debug, Args)]
pub(crate) struct SelfTest {
    /// Specimens to try, by name; all unless given
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Rounds, each with a seed of its own
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Builds to try; those that lie beside the lab unless given
    #[arg(long = "build", value_enum, value_delimiter = ',')]
    pub(crate) builds: Vec<Build>,
    /// Seed of everything, 64 hexadecimal digits; a fresh one unless given
    #[arg(long)]
    pub(crate) seed: Option<String>,
    /// Which kernel instrument to use
    #[arg(long, value_enum, default_value_t = TierChoice::Auto)]
    pub(crate) tier: TierChoice,
    /// Assays at a time
    #[arg(long, default_value_t = 2)]
    pub(crate) jobs: usize,
    /// About how many bait files to plant
    #[arg(long, default_value_t = 30)]
    pub(crate) bait: u32,
    /// Folder that keeps every bundle; unless given, only those of what went wrong stay
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// Folder for roots that are kept between assays
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder for the lab's own state
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
    /// Print one JSON object for each assay
    #[arg(long)]
    pub(crate) json: bool,
    /// Print no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
}

impl TierChoice {
    /// The word of the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::T0 => "t0",
            Self::T1 => "t1",
        }
    }
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

/// Draft a product file from what was seen
///
/// The draft says what the product did, not what its maker claims: hold each line of it against what
/// the vendor documents. Each phase runs to its end once, under claims of nothing; the bundle of that
/// run stays beside the draft, as NAME.observed. For a service, give the draft a `ready` and assay it.
///
/// Examples: watchglass product init --from assay-ClamAV -o new.toml
///
/// watchglass product init --debian clamav,clamav-freshclam --phase "update=freshclam --stdout"
/// --phase "scan=clamscan -r {bait}" -o new.toml
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// A finished bundle to draft from
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["debian", "host", "phase"])]
    pub(crate) from: Option<PathBuf>,
    /// Debian packages to install and observe
    #[arg(long, value_name = "PACKAGES", value_delimiter = ',', conflicts_with = "host")]
    pub(crate) debian: Vec<String>,
    /// Observe programs of this machine
    #[arg(long)]
    pub(crate) host: bool,
    /// What the product is to do: a name and a command, in which {bait} and {samples} have a meaning
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) phase: Vec<String>,
    /// The product file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Folder for roots that are kept between assays
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder for the lab's own state
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
    /// Print no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
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
