//! The result and verdict document, `results.json` (`docs/decisions/0003-verdict.md`).
//!
//! Every string that came from the subject was made printable by `watchglass_events::Name` before it
//! got here; an output still has to escape for its own syntax (HTML, SVG, terminal).

use serde::{Deserialize, Serialize};
use watchglass_events::Tier;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was assayed.
    pub subject: SubjectFacts,
    /// The answer.
    pub verdict: Verdict,
    /// Q0 to Q5 and M, in order.
    pub questions: Vec<Question>,
    /// Every check, in the order of the questions.
    pub checks: Vec<CheckResult>,
    /// Every claim of the product file, with what was seen of it.
    pub claims: Vec<ClaimRow>,
    /// What was seen, for the reader to look at.
    pub seen: Seen,
    /// What could not be seen, in sentences.
    pub blind: Vec<String>,
    /// How the evidence was made.
    pub made: Made,
}

/// What was assayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectFacts {
    /// Name of the product.
    pub name: String,
    /// Its maker.
    pub vendor: String,
    /// Country whose law can compel the maker.
    pub jurisdiction: String,
    /// Packages of the product with versions.
    pub packages: Vec<String>,
    /// SHA-256 of the product file.
    pub product_file_sha256: String,
    /// SHA-256 over the inventory of the product's files.
    pub inventory_sha256: String,
}

/// The state of a check, a claim or a question. The order is from worst to best: the weakest answer
/// caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The evidence shows otherwise.
    Broken,
    /// It was not tried.
    NotTested,
    /// It was tried, and could not be told.
    Inconclusive,
    /// It was exercised, seen, and held.
    Kept,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Broken => "broken",
            Self::NotTested => "not tested",
            Self::Inconclusive => "inconclusive",
            Self::Kept => "kept",
        })
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The weakest state of the checks that count: broken, inconclusive or kept.
    pub state: State,
    /// 0 broken, 1 observed, 2 kept, 3 contained.
    pub grade: u8,
    /// The verdict in one sentence.
    pub sentence: String,
    /// What stops the next grade, at most five lines.
    pub caps: Vec<String>,
    /// Server-armed behaviour and other things that no phase exercised, in words.
    pub not_tested: Vec<String>,
}

/// One of the questions that every verdict answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// `Q0` … `Q5`, `M`.
    pub id: String,
    /// The question.
    pub text: String,
    /// The weakest state of its checks.
    pub state: State,
    /// The answer in one sentence.
    pub answer: String,
    /// Its checks by identifier.
    pub checks: Vec<String>,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// `I1`, `R1`, `R3-seen`, ….
    pub id: String,
    /// The question it helps to answer.
    pub question: String,
    /// What it asks, in a few words.
    pub title: String,
    /// What came out.
    pub state: State,
    /// Why, in one sentence.
    pub reason: String,
    /// Tier of the instrument it rests on.
    pub tier: Tier,
    /// What it found; those that break it come first.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more_findings: u64,
    /// What it could not see.
    pub blind: Vec<String>,
    /// How to see it again: one line, a command where there is one.
    pub reproduce: String,
    /// How the maker of the product could dispute it: one line.
    pub dispute: String,
}

/// One thing that a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What, in one sentence.
    pub text: String,
    /// Whether this breaks the check by itself.
    pub breaks: bool,
    /// The file it is about.
    pub file: Option<String>,
    /// The destination it is about, `host:port` or `address:port`.
    pub destination: Option<String>,
    /// The program it is about.
    pub program: Option<String>,
    /// The rows it rests on.
    pub evidence: Vec<Evidence>,
}

/// A row of a part of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// The part, `runs/A1/sensor.log`.
    pub part: String,
    /// The sequence number of the event, or the number of the packet or line, from 0.
    pub row: u64,
}

/// A claim of the product file, with what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRow {
    /// The domain that claims it.
    pub domain: String,
    /// `reads`, `writes`, `executes`, `listens`, `contacts`, `sends`.
    pub kind: String,
    /// The claim as the file words it.
    pub claimed: String,
    /// What it permits, in words and numbers.
    pub permits: String,
    /// What was seen of it.
    pub seen: String,
    /// Kept when it was exercised and nothing went beyond it.
    pub state: State,
    /// Whether it permits so much that it says nothing.
    pub vacuous: bool,
    /// Rows that show it.
    pub evidence: Vec<Evidence>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Programs that ran, by path.
    pub programs: Vec<Program>,
    /// Where bytes went, by host.
    pub destinations: Vec<Destination>,
    /// Values that were sent and identify somebody.
    pub identifiers: Vec<Identifier>,
    /// Phases of the runs on one time axis.
    pub phases: Vec<PhaseSpan>,
    /// Reads of bait and sends, for the timeline: totals of each program for each step of time.
    pub timeline: Vec<TimelinePoint>,
    /// Every path from bait to the network, shortest first.
    pub witnesses: Vec<WitnessPath>,
    /// Files that differ on disk after the run.
    pub residue: Vec<ResidueRow>,
    /// Bytes on the link, sent by processes, explained by clear text.
    pub conservation: Vec<Conservation>,
}

/// A program that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Path in the world.
    pub path: String,
    /// SHA-256 of what ran, where it could be had.
    pub sha256: Option<String>,
    /// The domain it belongs to, if the product file claims it.
    pub domain: Option<String>,
    /// How often it ran in run A1.
    pub runs: u64,
    /// Bait files it opened for reading.
    pub bait_files: u64,
    /// Bytes it read, all files.
    pub read_bytes: u64,
    /// Where it read: folders with the number of files, most first.
    pub reads: Vec<FolderCount>,
    /// Where it wrote: folders with the number of files, most first.
    pub writes: Vec<FolderCount>,
    /// Whom it contacted.
    pub contacts: Vec<String>,
}

/// A folder with the number of files touched below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderCount {
    /// The folder.
    pub folder: String,
    /// Files.
    pub files: u64,
    /// Whether the domain's claims cover it: every file, or not.
    pub claimed: bool,
}

/// Where bytes went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The name that was asked for, or the address.
    pub host: String,
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// `tcp`, `udp`, `icmp`.
    pub transport: String,
    /// `http`, `tls http`, `dns`, `opaque`, ….
    pub service: String,
    /// Programs that sent.
    pub senders: Vec<String>,
    /// Runs in which it was seen.
    pub runs: Vec<String>,
    /// Flows.
    pub flows: u64,
    /// Payload bytes from the subject.
    pub sent_bytes: u64,
    /// Payload bytes to the subject.
    pub received_bytes: u64,
    /// Whether a contact claim covers it.
    pub claimed: bool,
    /// The first request line or question, to look at.
    pub sample: String,
}

/// A value that was sent and identifies somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// `header User-Agent`, `query id`, ….
    pub place: String,
    /// To whom.
    pub destination: String,
    /// The program that sent it.
    pub program: String,
    /// The value of each run, `A1`, `A2`, `B`, in order.
    pub values: Vec<RunValue>,
    /// The file in which the same value lies on disk, if one does.
    pub stored_in: Option<String>,
    /// What it tells apart, in words.
    pub meaning: String,
    /// Whether a claim covers it.
    pub claimed: bool,
    /// Rows that show it.
    pub evidence: Vec<Evidence>,
}

/// A value in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunValue {
    /// The run.
    pub run: String,
    /// The value.
    pub value: String,
}

/// A phase on the time axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseSpan {
    /// The run.
    pub run: String,
    /// The phase.
    pub phase: String,
    /// Milliseconds from the beginning of the run.
    pub from_ms: u64,
    /// Milliseconds from the beginning of the run.
    pub to_ms: u64,
    /// How it ended, in words.
    pub outcome: String,
    /// Whether the product file expects that.
    pub expected: bool,
}

/// What one program did in one step of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelinePoint {
    /// The run.
    pub run: String,
    /// The program.
    pub program: String,
    /// Milliseconds from the beginning of the run at which the step begins.
    pub at_ms: u64,
    /// Length of the step.
    pub step_ms: u64,
    /// Files opened for reading.
    pub opens: u64,
    /// Bait files opened for reading.
    pub bait_opens: u64,
    /// Bytes sent to the network.
    pub sent_bytes: u64,
}

/// A path from bait to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessPath {
    /// The run.
    pub run: String,
    /// The nodes from the file to the destination.
    pub nodes: Vec<GraphNode>,
    /// One label for each step between two nodes.
    pub steps: Vec<String>,
    /// Every bait file that can have reached the destination, sorted.
    pub bait: Vec<String>,
    /// Whether it is certain that content went along, as opposed to possible.
    pub content_seen: bool,
    /// What of the files' content was found in the bytes that reached the destination, and under
    /// which transforms.
    pub content: Vec<String>,
    /// Why the path is refuted, if every byte on it is explained.
    pub refuted: Option<String>,
    /// Rows that show it.
    pub evidence: Vec<Evidence>,
}

/// A node of the provenance graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphNode {
    /// `file`, `process`, `pipe`, `socket`, `host`.
    pub kind: String,
    /// What to write on it.
    pub label: String,
}

/// A file that differs on disk after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidueRow {
    /// Path in the world.
    pub path: String,
    /// `added`, `modified`, `removed`.
    pub change: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Whether a `writes` claim covers it.
    pub claimed: bool,
    /// Programs that wrote it.
    pub writers: Vec<String>,
}

/// Bytes must add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    /// The run.
    pub run: String,
    /// Payload bytes that left the subject, on the link.
    pub link_bytes: u64,
    /// Bytes that processes sent to the network.
    pub process_bytes: u64,
    /// Payload bytes on the link of flows whose clear text is known.
    pub explained_bytes: u64,
    /// Payload bytes of flows that nobody could read.
    pub opaque_bytes: u64,
}

/// How the evidence was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The program that ran the campaign, with its version.
    pub assayer: String,
    /// Seconds since 1970 when the campaign began.
    pub began_unix_seconds: u64,
    /// Tier of the kernel sensor.
    pub tier: Tier,
    /// `debian`, `host`, `in_place`.
    pub world: String,
    /// `none`, `vendor`, `real`.
    pub network: String,
    /// The runs with their seeds.
    pub runs: Vec<RunFacts>,
    /// Kernel release.
    pub kernel: String,
    /// Architecture.
    pub architecture: String,
    /// Number of processors.
    pub processors: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Locale of the world.
    pub locale: String,
    /// Tools with versions and digests.
    pub tools: Vec<String>,
    /// What the lab chose by itself, and why.
    pub choices: Vec<String>,
    /// Sources with emitted, received and lost records.
    pub sources: Vec<SourceFacts>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// `A1`, ….
    pub name: String,
    /// Seed of its bait and identity.
    pub seed: String,
    /// Events recorded.
    pub events: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
}

/// What a source recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// The run.
    pub run: String,
    /// The source.
    pub source: String,
    /// Records it made.
    pub emitted: u64,
    /// Records that arrived.
    pub received: u64,
    /// Records known to be lost.
    pub lost: u64,
    /// Canaries it saw, of those it had to see.
    pub canaries: String,
}
