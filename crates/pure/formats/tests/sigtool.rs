//! PE facts are those of sigtool and clamscan, over programs of every kind that this machine has.
#![expect(clippy::disallowed_methods, reason = "tests read files and run sigtool and clamscan")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use std::path::Path;
use std::process::Command;

use md5::{Digest as _, Md5};
use watchglass_formats::pe::Pe;

const LARGEST: usize = 4 << 20;
/// Programs that are compared, at most: each costs three processes.
const MOST: usize = 150;
const LEAST: usize = 30;

#[test]
fn section_and_import_hashes_are_those_of_sigtool() {
    const NAME: &str = "section_and_import_hashes_are_those_of_sigtool";
    let Some(programs) = Programs::find(NAME, "sigtool") else { return };
    let (mut sections, mut imports) = (0, 0);
    for (name, bytes) in &programs.files {
        let path = programs.folder.path().join(name);
        let run = |option: &str| common::output(Command::new("sigtool").arg(option).arg(&path));
        let mut theirs = hashes(&run("--mdb").unwrap(), "}: ");
        let pe = Pe::parse(bytes);
        let usable = pe.as_ref().ok().filter(|pe| pe.broken.is_none());
        let mut ours: Vec<_> = usable
            .into_iter()
            .flat_map(|pe| &pe.sections)
            .filter(|section| section.rsz > 0)
            .map(|section| (section.rsz, md5(&bytes[section.raw_range()])))
            .collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{name}");
        sections += ours.len();
        let theirs: Vec<_> = hashes(&run("--imp").unwrap(), "Imphash: ");
        let ours: Vec<_> = usable.and_then(import_hash).into_iter().collect();
        assert_eq!(ours, theirs, "{name}");
        imports += ours.len();
    }
    eprintln!("{} programs, {sections} sections, {imports} import tables", programs.files.len());
    assert!(sections > 50 && imports > 10);
}

#[test]
fn headers_are_those_of_clamscan() {
    const NAME: &str = "headers_are_those_of_clamscan";
    let Some(programs) = Programs::find(NAME, "clamscan") else { return };
    let (mut strings, mut broken) = (0, 0);
    for (name, bytes) in &programs.files {
        let log = programs.scan(name);
        let Ok(pe) = Pe::parse(bytes) else {
            assert!(!log.contains("NumberOfSections:"), "{name}");
            continue;
        };
        assert_eq!(pe.is_broken_executable(), log.contains("Broken.Executable FOUND"), "{name}");
        broken += usize::from(pe.is_broken_executable());
        if pe.is_broken_executable() {
            // Its headers are given up half-way.
            continue;
        }
        let entry = numbers(&log, "EntryPoint offset: 0x").into_iter().next();
        assert_eq!(entry, pe.entry_point.map(|entry| vec![entry]), "{name}");
        let present = || pe.sections.iter().filter(|section| !section.is_missing);
        let first = |label| numbers(&log, label).into_iter().take(present().count());
        let ours: Vec<_> = present().map(|section| vec![section.uraw, section.raw]).collect();
        assert_eq!(first("PointerToRawData: 0x").collect::<Vec<_>>(), ours, "{name}");
        let ours: Vec<_> = present().map(|section| vec![section.ursz, section.rsz]).collect();
        assert_eq!(first("SizeOfRawData: 0x").collect::<Vec<_>>(), ours, "{name}");
        let ours: Vec<_> = present().map(|section| vec![section.uvsz, section.vsz]).collect();
        assert_eq!(first("VirtualSize: 0x").collect::<Vec<_>>(), ours, "{name}");
        let mut theirs = version_places(&log);
        let mut ours: Vec<_> =
            pe.version_info().strings.iter().map(|string| string.offset).collect();
        theirs.sort_unstable();
        theirs.dedup();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
        strings += ours.len();
    }
    eprintln!("{} programs, {broken} broken, {strings} strings", programs.files.len());
    assert!(strings > 0, "no program has version information");
}

struct Programs {
    folder: tempfile::TempDir,
    files: Vec<(String, Vec<u8>)>,
}

impl Programs {
    fn find(test: &str, tool: &str) -> Option<Self> {
        if common::output(Command::new(tool).arg("--version")).is_none() {
            common::skip(test, "ClamAV is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut found = built(folder.path());
        found.extend(common::clamav_files());
        let ask = "import os, pip; print(os.path.dirname(os.path.dirname(pip.__file__)))";
        let python = common::output(Command::new("python3").args(["-c", ask])).unwrap_or_default();
        let mingw = ["/usr/lib/gcc/x86_64-w64-mingw32", "/usr/lib/gcc/i686-w64-mingw32"];
        for folder in mingw.into_iter().chain([python.trim()]) {
            let programs = common::paths(Path::new(folder)).into_iter().filter(|path| {
                path.extension().is_some_and(|extension| extension == "exe" || extension == "dll")
            });
            found.extend(programs.filter_map(|path| common::read(&path, LARGEST)));
        }
        found.retain(|(_, bytes)| bytes.starts_with(b"MZ") && bytes.len() <= LARGEST);
        found.truncate(MOST);
        if found.len() < LEAST {
            common::skip(test, "too few programs: install gcc-mingw-w64 or clamav-testfiles");
            return None;
        }
        let name =
            |(number, (name, bytes)): (usize, (String, _))| (format!("{number:03}_{name}"), bytes);
        let files: Vec<(String, Vec<u8>)> = found.into_iter().enumerate().map(name).collect();
        for (name, bytes) in &files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("one.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:E\n")
            .unwrap();
        Some(Self { folder, files })
    }

    fn scan(&self, name: &str) -> String {
        let mut clamscan = Command::new("clamscan");
        let options = ["--debug", "--alert-broken", "--max-recursion=1", "--no-summary", "-d"];
        clamscan.args(options).arg(self.folder.path().join("one.hdb"));
        common::output(clamscan.arg(self.folder.path().join(name))).unwrap()
    }
}

/// Programs with version information, of 32 and 64 bits, whole and cut off, where there is a compiler.
fn built(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let resource = "1 VERSIONINFO FILEVERSION 1,2,3,4\nBEGIN\nBLOCK \"StringFileInfo\"\nBEGIN\n\
        BLOCK \"040904b0\"\nBEGIN\nVALUE \"CompanyName\", \"Watchglass\"\n\
        VALUE \"ProductName\", \"Test\\0\"\nVALUE \"Empty\", \"\"\nEND\nEND\n\
        BLOCK \"VarFileInfo\"\nBEGIN\nVALUE \"Translation\", 0x409, 1200\nEND\nEND\n";
    std::fs::write(folder.join("v.rc"), resource).unwrap();
    let program = "#include <winsock2.h>\n#include <windows.h>\nint main(void) { WSADATA d; \
        MessageBoxA(0, \"a\", \"b\", 0); return WSAStartup(2, &d); }\n";
    std::fs::write(folder.join("p.c"), program).unwrap();
    let mut found = Vec::new();
    for target in ["x86_64-w64-mingw32", "i686-w64-mingw32"] {
        let (object, program) = (format!("{target}.o"), format!("{target}.exe"));
        let run = |tool: &str, arguments: &[&str]| {
            let mut command = Command::new(format!("{target}-{tool}"));
            command
                .args(arguments)
                .current_dir(folder)
                .status()
                .is_ok_and(|status| status.success())
        };
        if run("windres", &["v.rc", &object])
            && run("gcc", &["p.c", &object, "-o", &program, "-lws2_32", "-s"])
        {
            let (name, bytes) = common::read(&folder.join(&program), LARGEST).unwrap();
            for cut in [100, 300, 700, 1024, bytes.len() / 2, bytes.len() - 200] {
                found.push((format!("{cut}_{name}"), bytes[..cut].to_vec()));
            }
            let mut seeded = common::Seeded(7);
            for number in 0..20 {
                let mut changed = bytes.clone();
                for _ in 0..3 {
                    let at = seeded.below(0x400);
                    changed[at.max(2)] = u8::try_from(seeded.below(256)).unwrap();
                }
                found.push((format!("changed{number}_{name}"), changed));
            }
            found.push((name, bytes));
        }
    }
    found
}

/// Pairs of a size and a digest, in either order, behind `label`.
fn hashes(log: &str, label: &str) -> Vec<(u32, String)> {
    let pair = |line: &str| {
        let (first, second) = line.split_once(label)?.1.trim().split_once(':')?;
        let (size, digest) = if first.len() == 32 { (second, first) } else { (first, second) };
        Some((size.parse().ok()?, digest.to_owned()))
    };
    log.lines().filter_map(pair).collect()
}

fn import_hash(pe: &Pe<'_>) -> Option<(u32, String)> {
    let mut digest = Md5::new();
    let imports = pe.imports(&mut |piece: &[u8]| digest.update(piece)).ok()?;
    Some((imports.length, hex(&digest.finalize())))
}

fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hexadecimal numbers of each line with `label`, which ends with the first one's `0x`.
fn numbers(log: &str, label: &str) -> Vec<Vec<u32>> {
    let line = |line: &str| {
        let numbers = line.split_once(label)?.1.split(' ');
        let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        Some(numbers.filter_map(number).collect())
    };
    log.lines().filter_map(line).collect()
}

fn version_places(log: &str) -> Vec<usize> {
    let place = |line: &str| {
        let (hexadecimal, _) = line.split_once("VersionInfo (")?.1.split_once(')')?;
        usize::from_str_radix(hexadecimal, 16).ok()
    };
    log.lines().filter_map(place).collect()
}
