//! Containers that foreign tools make at test time, and what every parser must survive.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "pure crates touch nothing, their tests start programs; bytes of a draw are cut off"
)]

pub mod compound;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use watchglass_unpack::{Budget, Container, ContainerKind, End, Limits, Member, Next};

/// Says that a test could not be run; under `WATCHGLASS_STRICT=1` that is a failure.
pub fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

/// Pseudo-random bytes from a seed (Knuth's MMIX generator).
pub struct Lcg(pub u64);

impl Lcg {
    pub fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound.max(1)
    }
}

/// Bytes that no tool leaves as they are: words, runs and noise, none twice.
pub fn payload(seed: u64, length: usize) -> Vec<u8> {
    let mut draw = Lcg(seed.wrapping_mul(0x9e37_79b9).wrapping_add(length as u64));
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match draw.below(4) {
            0 => bytes.extend((0..draw.below(40)).map(|_| draw.next() as u8)),
            1 => bytes.extend(std::iter::repeat_n(draw.next() as u8, draw.below(300))),
            2 if !bytes.is_empty() => {
                let start = draw.below(bytes.len());
                let end = (start + draw.below(200)).min(bytes.len());
                bytes.extend_from_within(start..end);
            }
            _ => bytes.extend((0..draw.below(60)).map(|_| b'a' + (draw.next() % 26) as u8)),
        }
    }
    bytes.truncate(length);
    bytes
}

/// What `program` writes when it gets `input`; None where it is not installed.
pub fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    Some(output.stdout)
}

/// Runs `program` in `folder`; false where it is not installed.
pub fn run(folder: &Path, program: &str, arguments: &[impl AsRef<OsStr>]) -> bool {
    let Ok(output) =
        Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output()
    else {
        return false;
    };
    assert!(output.status.success(), "{program}: {output:?}");
    true
}

/// Everything that a container gave.
#[derive(Debug)]
pub struct Unpacked {
    pub members: Vec<Member<'static>>,
    pub end: End,
}

impl Unpacked {
    /// Whether nothing was left out.
    pub fn is_clean(&self) -> bool {
        self.end.is_understood() && self.members.iter().all(Member::is_whole)
    }

    pub fn contents(&self) -> Vec<&[u8]> {
        self.members.iter().map(|member| &*member.content).collect()
    }

    pub fn member(&self, name: &str) -> &Member<'static> {
        self.members.iter().find(|member| *member.name == *name.as_bytes()).unwrap()
    }
}

pub fn unpack(kind: ContainerKind, bytes: &[u8]) -> Unpacked {
    unpack_within(kind, bytes, Limits::CLAMAV)
}

pub fn unpack_within(kind: ContainerKind, bytes: &[u8], limits: Limits) -> Unpacked {
    let budget = Budget::new(limits, bytes.len(), &|| false);
    collect(kind, bytes, &budget)
}

pub fn collect(kind: ContainerKind, bytes: &[u8], budget: &Budget<'_>) -> Unpacked {
    let mut container = Container::open(kind, bytes, budget.outermost(), budget);
    let mut members = Vec::new();
    loop {
        match container.next_member() {
            Next::Member(member) => members.push(owned(member)),
            Next::End(end) => {
                assert_eq!(container.next_member(), Next::End(end.clone()), "asked again");
                return Unpacked { members, end };
            }
        }
    }
}

fn owned(member: Member<'_>) -> Member<'static> {
    Member {
        name: Cow::Owned(member.name.into_owned()),
        content: Cow::Owned(member.content.into_owned()),
        ..Member {
            name: Cow::Borrowed(b""),
            content: Cow::Borrowed(b""),
            place: member.place,
            reading: member.reading,
            role: member.role,
            declared: member.declared,
            not_scanned: member.not_scanned,
            oddities: member.oddities,
        }
    }
}

/// Whether a shorter file may look whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Every cut loses something, and that is said.
    IsSeen,
    /// The format has no end of its own.
    MayBeWhole,
}

/// Every truncation of `bytes`, then `mutations` seeded changes of some bytes: each ends, within its
/// budget, and a cut is not silent.
pub fn survives(kind: ContainerKind, bytes: &[u8], cut: Cut, mutations: u64) {
    let limits = Limits { max_scan_size: 1 << 22, max_file_size: 1 << 21, ..Limits::CLAMAV };
    let limits = Limits { max_steps: 50_000, ..limits };
    let step = (bytes.len() / 4000).max(1);
    for length in (0..bytes.len()).step_by(step) {
        let unpacked = unpack_within(kind, &bytes[..length], limits);
        assert!(cut == Cut::MayBeWhole || !unpacked.is_clean(), "silent when cut to {length}");
    }
    let mut draw = Lcg(bytes.len() as u64);
    for _ in 0..mutations {
        let mut changed = bytes.to_vec();
        for _ in 0..=draw.below(4) {
            let place = draw.below(changed.len());
            match draw.below(5) {
                0 => changed[place] = draw.next() as u8,
                1 => changed[place] ^= 1 << draw.below(8),
                2 => changed[place] = [0, 0xff, 0x7f, 0x80][draw.below(4)],
                3 => drop(changed.remove(place)),
                _ => changed.insert(place, draw.next() as u8),
            }
            if changed.is_empty() {
                changed.push(0);
            }
        }
        let budget = Budget::new(limits, changed.len(), &|| false);
        let unpacked = collect(kind, &changed, &budget);
        let bytes: usize = unpacked.members.iter().map(|member| member.content.len()).sum();
        assert!(bytes as u64 <= limits.max_scan_size, "{bytes} bytes made");
        assert!(budget.files() <= limits.max_files && budget.steps() <= limits.max_steps);
    }
}
