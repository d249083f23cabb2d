//! ELF and Mach-O facts are those of readelf, llvm-readobj and clamscan.
#![expect(clippy::disallowed_methods, reason = "tests read files and run tools")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use watchglass_formats::elf::Elf;
use watchglass_formats::macho::{MachO, Universal};

const LARGEST: usize = 4 << 20;
const ELF_FILES: usize = 200;

#[test]
fn elf_facts_are_those_of_readelf() {
    const NAME: &str = "elf_facts_are_those_of_readelf";
    if common::output(Command::new("readelf").arg("--version")).is_none() {
        return common::skip(NAME, "readelf is not installed");
    }
    let (mut files, mut sections, mut entries) = (0, 0, 0);
    for path in
        common::paths(Path::new("/usr/lib")).into_iter().chain(common::paths(Path::new("/usr/bin")))
    {
        // Programs are a minority in /usr/lib, and have the entry points.
        let program = path.starts_with("/usr/bin");
        if files >= if program { ELF_FILES * 5 / 4 } else { ELF_FILES } {
            continue;
        }
        let Some((_, bytes)) = common::read(&path, LARGEST) else { continue };
        if !bytes.starts_with(b"\x7fELF") {
            continue;
        }
        let elf = Elf::parse(&bytes).unwrap();
        let log = common::output(Command::new("readelf").arg("-hlSW").arg(&path)).unwrap();
        let ours: Vec<_> = elf.sections.iter().map(|s| (s.address, s.offset, s.size)).collect();
        assert_eq!(ours, readelf_sections(&log), "{}", path.display());
        assert_eq!(elf.entry_point, readelf_entry(&log), "{}", path.display());
        files += 1;
        sections += ours.len();
        entries += usize::from(elf.entry_point != Some(0));
    }
    eprintln!("{files} files, {sections} sections, {entries} entry points");
    assert!(files >= ELF_FILES && entries > 40, "{files} {entries}");
}

#[test]
fn broken_programs_are_those_of_clamscan() {
    const NAME: &str = "broken_programs_are_those_of_clamscan";
    let folder = tempfile::tempdir().unwrap();
    let mut originals: Vec<(String, Vec<u8>)> = common::objects(folder.path());
    originals.extend(common::read(Path::new("/bin/true"), LARGEST));
    originals.retain(|(_, bytes)| bytes.len() > 256);
    std::fs::create_dir(folder.path().join("scan")).unwrap();
    let mut files = BTreeMap::new();
    for (seed, (name, bytes)) in (0_u64..).zip(&originals) {
        let mut seeded = common::Seeded(seed);
        for number in 0..60 {
            let mut changed = bytes.clone();
            match number {
                0 => {}
                1..15 => changed.truncate(64 + seeded.below(bytes.len().min(2048) - 64)),
                _ => {
                    for _ in 0..2 {
                        let at = 4 + seeded.below(92);
                        changed[at] = u8::try_from(seeded.below(256)).unwrap();
                    }
                }
            }
            let name = format!("{number:02}_{name}");
            std::fs::write(folder.path().join("scan").join(&name), &changed).unwrap();
            files.insert(name, changed);
        }
    }
    let database = folder.path().join("one.hdb");
    std::fs::write(&database, "44d88612fea8a8f36de82e1278abb02f:68:E\n").unwrap();
    let mut clamscan = Command::new("clamscan");
    clamscan.args(["--alert-broken", "--infected", "--no-summary", "-d"]).arg(&database);
    let Some(log) = common::output(clamscan.arg(folder.path().join("scan"))) else {
        return common::skip(NAME, "clamscan is not installed");
    };
    let mut broken = 0;
    for (name, bytes) in &files {
        let ours = match bytes.first() {
            Some(0x7f) => match Elf::parse(bytes) {
                Ok(elf) => elf.is_broken_executable(),
                Err(error) => matches!(error, watchglass_formats::elf::NotElf::Class(_)),
            },
            _ => MachO::parse(bytes).is_ok_and(|macho| macho.is_broken_executable()),
        };
        let theirs = log.contains(&format!("/{name}: Heuristics.Broken.Executable"));
        assert_eq!(ours, theirs, "{name}");
        broken += usize::from(ours);
    }
    eprintln!("{} files, {broken} broken", files.len());
    assert!(broken > 5 && broken < files.len() - 5, "{broken}");
}

#[test]
fn macho_sections_are_those_of_llvm() {
    const NAME: &str = "macho_sections_are_those_of_llvm";
    let folder = tempfile::tempdir().unwrap();
    let objects = common::objects(folder.path());
    let mut readobj = Command::new("llvm-readobj");
    if objects.len() < 3 || common::output(readobj.arg("--version")).is_none() {
        return common::skip(NAME, "clang with llvm-readobj is not installed");
    }
    for (name, bytes) in &objects {
        let mut readobj = Command::new("llvm-readobj");
        let log = common::output(readobj.arg("--sections").arg(folder.path().join(name))).unwrap();
        let field = |label: &str| -> Vec<u64> {
            let values = log.lines().filter_map(|line| line.trim().strip_prefix(label));
            values.map(|value| number(value.trim())).collect()
        };
        let macho = MachO::parse(bytes).unwrap();
        assert_eq!(macho.broken, None);
        let all = |pick: fn(&watchglass_formats::macho::Section) -> u64| -> Vec<u64> {
            macho.sections.iter().map(pick).collect()
        };
        assert_eq!(all(|section| section.address), field("Address: "), "{name}");
        assert_eq!(all(|section| section.size), field("Size: "), "{name}");
        assert_eq!(all(|section| u64::from(section.offset)), field("Offset: "), "{name}");
        assert!(macho.sections.len() >= 2);
    }
    let made = ["llvm-lipo", "llvm-lipo-14"].into_iter().any(|lipo| {
        let mut lipo = Command::new(lipo);
        lipo.current_dir(folder.path()).args(objects.iter().map(|(name, _)| name));
        common::output(lipo.args(["-create", "-output", "universal"])).is_some()
    });
    if !made {
        return common::skip(NAME, "llvm-lipo is not installed");
    }
    let (_, bytes) = common::read(&folder.path().join("universal"), LARGEST).unwrap();
    let universal = Universal::parse(&bytes).unwrap();
    let mut found: Vec<_> =
        universal.architectures.iter().map(|one| bytes[one.range.clone()].to_vec()).collect();
    let mut expected: Vec<_> = objects.into_iter().map(|(_, bytes)| bytes).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// `[Nr] Name Type Address Off Size …`, of which names may have blanks: counted from `[Nr]`'s end.
fn readelf_sections(log: &str) -> Vec<(u64, u64, u64)> {
    let table = log.split("Section Headers:").nth(1).unwrap_or_default();
    let line = |line: &str| {
        let (number, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        number.trim().parse::<u32>().ok()?;
        // The first of three hexadecimal numbers, of 8 or 16 digits, is the address.
        let words: Vec<_> = rest.split_whitespace().collect();
        let is_address = |word: &&str| {
            matches!(word.len(), 8 | 16) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let at = words.iter().position(is_address)?;
        let hex = |at: usize| u64::from_str_radix(words[at], 16).unwrap();
        Some((hex(at), hex(at + 1), hex(at + 2)))
    };
    table.lines().filter_map(line).collect()
}

/// The entry point in the file, by the first segment that holds it.
fn readelf_entry(log: &str) -> Option<u64> {
    let entry = number(log.split("Entry point address:").nth(1)?.lines().next()?.trim());
    let segments = log.split("Program Headers:").nth(1).unwrap_or_default();
    if entry == 0 || segments.is_empty() {
        return Some(0);
    }
    segments.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, offset, address, _, _, size, ..] = words[..] else { return None };
        let (offset, address, size) = (number(offset), number(address), number(size));
        (address <= entry && entry < address + size).then(|| entry - address + offset)
    })
}

/// A number in decimal, or in hexadecimal behind `0x`; 0 for what is none.
fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}
