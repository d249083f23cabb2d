//! Measures the matcher: `scan SETS… -- TARGET FOLDERS…`.
//!
//! Compiles the sets, reads the files below the folders (up to a quarter of a gigabyte, files up to 20
//! MB), and scans them three times as files of the target. Prints each pass, what was found, and what a
//! file costs that is empty.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use watchglass_database::Database;
use watchglass_formats::{Facts, FileType};
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::{Maker, PotentiallyUnwanted, SignatureSet, Source, compile};

const MOST: usize = 256 << 20;
const MOST_OF_ONE: u64 = 20 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut halves = arguments.split(|argument| argument == "--");
    let (sets, rest) = (halves.next().unwrap(), halves.next().expect("-- TARGET FOLDERS"));
    let bytes = compiled(sets);
    let target: u8 = rest[0].parse().expect("a target");
    let (mut files, mut left) = (Vec::new(), MOST);
    rest[1..].iter().for_each(|folder| read(Path::new(folder), &mut files, &mut left, target));
    let start = Instant::now();
    let database = Database::open(&bytes).expect("what was compiled opens");
    let matcher = Matcher::new(&database);
    println!("open {:?}", start.elapsed());
    let mut scratch = Scratch::default();
    for pass in 0..3 {
        let start = on_core();
        let (mut size, mut steps, mut names) = (0_u64, 0_u64, Vec::new());
        for (name, bytes) in &files {
            let kind = if target == 6 { FileType::Elf } else { FileType::Any };
            let facts = Facts::of(kind, bytes);
            let object = Object::new(bytes, target, &facts);
            let mut work = Work::new(u64::MAX, &|| false);
            matcher
                .scan(&object, &mut scratch, &mut work, &mut |hit| {
                    names.push((name.clone(), database.name(hit.name).unwrap_or_default()));
                    ControlFlow::Continue(())
                })
                .expect("work without end");
            size += bytes.len() as u64;
            steps += u64::MAX - work.left();
        }
        let took = on_core() - start;
        let speed = size as f64 / 1e6 / took.as_secs_f64();
        let each = took.as_secs_f64() * 1e6 / files.len() as f64;
        println!(
            "pass {pass}: {} files, {:.1} MB, {speed:.0} MB/s, {each:.2} µs a file, {:.3} steps a byte, {} found",
            files.len(), size as f64 / 1e6, steps as f64 / size as f64, names.len(),
        );
        if pass == 2 {
            names.iter().take(20).for_each(|(file, name)| println!("{file}: {name}"));
        }
    }
    let start = on_core();
    for _ in 0..100_000 {
        let mut work = Work::new(u64::MAX, &|| false);
        let object = Object::new(b"", target, &Facts::Unknown);
        matcher.scan(&object, &mut scratch, &mut work, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    println!("an empty file: {:?}", (on_core() - start) / 100_000);
}

/// Time on a core so far: others may work beside this.
fn on_core() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

fn compiled(sets: &[String]) -> Vec<u8> {
    let files: Vec<_> = sets.iter().map(|set| (set, std::fs::read(set).unwrap())).collect();
    let sources: Vec<_> = files
        .iter()
        .map(|(path, bytes)| {
            let name = path.rsplit('/').next().unwrap();
            Source { set: SignatureSet::named(name).unwrap(), bytes, maker: Maker::Official }
        })
        .collect();
    let start = Instant::now();
    let (bytes, report) = compile(&sources, PotentiallyUnwanted::PassOver);
    println!(
        "compiled in {:?}: {:.1} MB, taken {:?}, left {:?}, with regexes {}, unannounced {}, bad {}",
        start.elapsed(), bytes.len() as f64 / 1e6, report.taken, report.not_compiled,
        report.with_regexes, report.unannounced, report.bad.len(),
    );
    bytes
}

fn read(path: &Path, files: &mut Vec<(String, Vec<u8>)>, left: &mut usize, target: u8) {
    let Ok(kind) = path.symlink_metadata() else { return };
    if kind.is_dir() {
        let mut entries: Vec<_> = path.read_dir().into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        entries.iter().for_each(|entry| read(&entry.path(), files, left, target));
    } else if kind.is_file() && kind.len() <= MOST_OF_ONE && kind.len() > 0 {
        let Ok(bytes) = std::fs::read(path) else { return };
        let is_program = bytes.starts_with(b"\x7fELF");
        let wanted = if matches!(target, 1 | 6) { is_program } else { !is_program };
        if wanted && bytes.len() <= *left {
            *left -= bytes.len();
            files.push((path.display().to_string(), bytes));
        }
    }
}
