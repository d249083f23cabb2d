//! Scans in a child of its own, whose memory and processor time are bounded by the kernel.
//!
//! Time is no measure of a test: what a scan costs is counted in the units of its limits, and the
//! kernel's bounds are there for what counts nothing and hangs, or holds without end.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "pure crates touch nothing, their tests start programs"
)]

pub mod inputs;

use std::path::{Path, PathBuf};
use std::process::Command;

use watchglass_engine::{Limits, MATCHING_STEPS, Report};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

/// Says that a test could not be run; under `WATCHGLASS_STRICT=1` that is a failure.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {why}");
}

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Address space, MiB: beyond it an allocation fails and the child ends.
    pub memory_mib: u64,
    /// Processor time, seconds: many times what a debug build takes.
    pub seconds: u64,
}

/// Runs the ignored test `name` of this binary with these variables, and gives what it printed.
///
/// # Panics
/// When the child did not end well: it panicked, was out of memory, or took all of its time.
pub fn in_child(name: &str, bounds: Bounds, variables: &[(&str, String)]) -> String {
    let Bounds { memory_mib, seconds } = bounds;
    let limits = format!("ulimit -v {}; ulimit -t {seconds}; exec \"$0\" \"$@\"", memory_mib << 10);
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &limits]).arg(program).args(["--exact", name, "--ignored", "--nocapture"]);
    shell.args(["--test-threads=1", "--format=pretty"]);
    shell.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = shell.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{variables:?}: {}\n{printed}\n{said}", output.status);
    assert!(printed.contains("1 passed"), "there is no test {name}: {printed}");
    printed
}

/// A variable that the parent has set; none in a run of all tests.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Most memory that this process had since [`forget_peak`], MiB.
pub fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// Lets the peak begin with what the process has now (proc_pid_clear_refs(5)), and gives that.
pub fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak_mib()
}

/// A file beside the tests of this crate.
pub fn beside(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)
}

/// Has python write files into a folder; false where it, or a program that it starts, is not there.
pub fn python(script: &str, folder: &Path) -> bool {
    let ended = Command::new("python3").arg("-B").arg(beside(script)).arg(folder).output();
    let Ok(output) = ended else { return false };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("FileNotFoundError") {
        return false;
    }
    assert!(output.status.success(), "{script}: {said}");
    true
}

/// Whether a scan kept to its limits.
pub fn within(report: &Report, limits: &Limits) {
    let cost = report.cost;
    assert!(cost.unpacked <= limits.max_scan_size && cost.files <= limits.max_files, "{cost:?}");
    assert!(cost.steps <= limits.max_steps, "{cost:?}");
    assert!(cost.matching <= limits.max_steps * MATCHING_STEPS, "{cost:?}");
}

/// One signature of each kind, so that every way of looking is gone.
pub const SETS: &[(&str, &str)] = &[
    ("a.hdb", "d41d8cd98f00b204e9800998ecf8427f:*:A:73\n"),
    ("a.hsb", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85f:*:B:73\n"),
    ("a.mdb", "4096:d41d8cd98f00b204e9800998ecf8427f:C\n"),
    (
        "a.ndb",
        "D:0:*:77617463682d{4-}676c617373\nE:3:*:3c62*6f6d623e\nF:7:*:6e6f2062(6f|30)6d62\nG:4:*:626f??62{-9}2121\n",
    ),
    (
        "a.ldb",
        "H;Engine:81-255,Target:0;0&1;626f6d62::i;0/bo+mb\\d/\nI;Engine:81-255,Target:10;0>2;2f4a53\n",
    ),
];

/// A database of these sets.
pub fn compiled(sets: &[(&str, &'static str)]) -> Vec<u8> {
    let source = |(file, text): &(&str, &'static str)| Source {
        set: SignatureSet::named(file).unwrap(),
        bytes: text.as_bytes(),
        maker: Maker::Official,
    };
    let sources: Vec<_> = sets.iter().map(source).collect();
    let (compiled, report) = compile(&sources, PotentiallyUnwanted::Take);
    assert_eq!(report.bad, []);
    compiled
}

/// Numbers that follow from a seed (xorshift64*, Vigna 2016).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % limit.max(1)
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// What is stored defused, with the key of the data's README.
pub fn unhidden(bytes: Vec<u8>) -> Vec<u8> {
    let key = KEY.concat();
    bytes.iter().zip(key.bytes().cycle()).map(|(byte, key)| byte ^ key).collect()
}

const KEY: [&str; 5] = [
    "bhcftqarohcdiayfohalohkgmoefxrrg",
    "fnczssgybajvkzjaahpfrlqsratkhhfv",
    "pxytculmwgmtyzujlbjlgrhtwxhzpjaz",
    "libbwepffyjyfkjwzyofgpopoueurinp",
    "dujkphxwhnaxfkaiwrpzdqsnwughtejr",
];
