//! Public rule sets: all of them compile, and what plain yara-x finds is found.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests read files and say what they measured"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{
    Dice, compiled, data, files, found_by_plain, name, noticed, plain, read_all, rule_files,
    runner, skip,
};
use watchglass_database::Database;
use watchglass_engine::Rules as _;
use watchglass_matching::Scratch;
use watchglass_signatures::body::{Body, Item};
use watchglass_signatures::rule::Need;
use watchglass_signatures::{Offset, Place, RuleCounts};

/// Files of this machine and files made from rules; other numbers by `WATCHGLASS_TEST_YARA_FILES`.
const FILES: usize = 60;
/// Files of this machine that are looked at, in bytes.
const MAX_BYTES: u64 = 4 << 20;
const SEED: u64 = 15;

#[test]
fn what_plain_yara_x_finds_is_found() {
    let Some(folder) = data("yara") else {
        return skip("what_plain_yara_x_finds_is_found", "../shared/data is not there");
    };
    let sources = rule_files(&folder);
    let start = Instant::now();
    let read = read_all(&sources);
    let mut figures = Figures::default();
    figures.time("reading", start.elapsed());
    // Every file of the four sets compiles, whole.
    assert_eq!((sources.len(), read.bad.as_slice()), (1060, &[][..]));
    let start = Instant::now();
    let (database, report) = compiled(&read);
    figures.time("compiling", start.elapsed());
    figures.count("rules", read.rules.len());
    figures.count("database_bytes", database.len());
    let RuleCounts { by_content, by_start, always, never } = report.rules;
    for (name, count) in
        [("by_content", by_content), ("by_start", by_start), ("always", always), ("never", never)]
    {
        figures.count(name, usize::try_from(count).unwrap());
    }
    let database = Database::open(&database).unwrap();
    let start = Instant::now();
    let rules = plain(&sources);
    figures.time("plain_compiling", start.elapsed());
    let mut scanner = yara_x::Scanner::new(&rules);
    let (mut runner, mut scratch) = (runner(&database), Scratch::default());
    let wanted = std::env::var("WATCHGLASS_TEST_YARA_FILES").ok();
    let wanted = wanted.map_or(FILES, |wanted| wanted.parse().unwrap());
    let mut dice = Dice(SEED);
    for index in 0..wanted {
        let made = index % 2 == 1;
        let bytes = if made {
            make(&read.rules[dice.below(read.rules.len())].need, &mut dice)
        } else {
            of_this_machine(&mut dice)
        };
        let start = Instant::now();
        let expected = found_by_plain(&mut scanner, &bytes);
        figures.time("plain_scanning", start.elapsed());
        let start = Instant::now();
        let may_hold = noticed(&database, &mut scratch, &bytes);
        figures.time("noticing", start.elapsed());
        let start = Instant::now();
        let ran = runner.run(&may_hold, &bytes, &|| false);
        figures.time("running", start.elapsed());
        assert!(ran.not_run.is_empty(), "{:?}", ran.not_run);
        let found = ran.holds.iter().map(|rule| name(&database, *rule)).collect();
        assert_eq!(expected, found, "file {index} of seed {SEED}");
        figures.count("files", 1);
        figures.count("bytes", bytes.len());
        figures.count("rules_run", may_hold.len());
        figures.count("files_with_rules_run", usize::from(!may_hold.is_empty()));
        let real = usize::from(!made);
        figures.count("real_files", real);
        figures.count("real_files_with_rules_run", real * usize::from(!may_hold.is_empty()));
        figures.count("real_rules_run", real * may_hold.len());
        figures.count("found", expected.len());
        figures.count("files_with_finds", usize::from(!expected.is_empty()));
    }
    figures.print();
    assert!(figures.0["files_with_finds"] > wanted / 8, "so few finds show little");
}

/// Numbers that `cargo xtask measure yara` keeps.
#[derive(Default)]
struct Figures(BTreeMap<String, usize>);

impl Figures {
    fn count(&mut self, name: &str, count: usize) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }

    fn time(&mut self, name: &str, time: Duration) {
        if time > Duration::from_secs(1) {
            eprintln!("{name}: {time:.1?}");
        }
        self.count(&format!("{name}_us"), usize::try_from(time.as_micros()).unwrap());
    }

    fn print(&self) {
        for (name, number) in &self.0 {
            println!("figure {name} {number}");
        }
    }
}

fn of_this_machine(dice: &mut Dice) -> Vec<u8> {
    use std::sync::OnceLock;
    static PATHS: OnceLock<Vec<std::path::PathBuf>> = OnceLock::new();
    let paths = PATHS.get_or_init(|| {
        let folders = ["/usr/bin", "/usr/lib", "/usr/share", "/etc"];
        let paths = folders.iter().flat_map(|folder| files(Path::new(folder)));
        let fits = |path: &std::path::PathBuf| {
            path.metadata().is_ok_and(|data| data.len() <= MAX_BYTES && data.len() > 0)
        };
        paths.filter(fits).collect()
    });
    assert!(!paths.is_empty());
    loop {
        if let Ok(bytes) = std::fs::read(&paths[dice.below(paths.len())]) {
            return bytes;
        }
    }
}

/// A file that meets a need.
fn make(need: &Need, dice: &mut Dice) -> Vec<u8> {
    let mut made = vec![b'.'; 64];
    meet(need, dice, &mut made);
    made
}

fn meet(need: &Need, dice: &mut Dice, made: &mut Vec<u8>) {
    match need {
        Need::Anything | Need::Never | Need::Size { .. } => {}
        Need::All(of) => of.iter().for_each(|need| meet(need, dice, made)),
        // More than are asked for: conditions mean more than needs do.
        Need::Some { of, .. } => of.iter().for_each(|need| meet(need, dice, made)),
        Need::Found(found) => {
            let all = dice.below(2) == 0;
            let wanted = if all { found.bodies.len() } else { 1 };
            for body in found.bodies.iter().take(wanted.min(64)) {
                let bytes = spelled(body);
                match found.offset {
                    Offset::At { place: Place::Start(at), .. } if at < 1 << 16 => {
                        let end = at as usize + bytes.len();
                        made.resize(made.len().max(end), b'.');
                        made[at as usize..end].copy_from_slice(&bytes);
                    }
                    _ => {
                        made.extend_from_slice(b" ");
                        made.extend_from_slice(&bytes);
                        made.extend_from_slice(b" ");
                    }
                }
            }
        }
    }
}

fn spelled(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in body.parts() {
        for item in &part.items {
            match item {
                Item::Bytes(of) => bytes.extend_from_slice(of),
                Item::Any(count) => bytes.extend(std::iter::repeat_n(b'a', *count as usize)),
                Item::High(half) => bytes.push(half << 4),
                Item::Low(half) => bytes.push(*half),
                Item::Choice(choice) => {
                    if let [Item::Bytes(of), ..] = &choice.options[0][..] {
                        bytes.extend_from_slice(of);
                    }
                }
                Item::Class(_) => bytes.push(b' '),
            }
        }
    }
    bytes
}
