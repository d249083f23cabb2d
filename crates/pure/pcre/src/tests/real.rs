//! The expressions of real signatures.

use std::path::Path;

use watchglass_signatures::logical::{Regex, RegexFlag};
use watchglass_signatures::{Signature, SignatureSet, Subsignature};

use super::oracle::{Answer, Oracle};
use super::sample::Dice;
use crate::{Expression, Options, parse};

const SETS: [&str; 4] = [
    "clamav-official-partial/main.ldb",
    "ditekshen/clamav/clamav.ldb",
    "ditekshen/clamav/indicator_rmm.ldb",
    "twinclams/twinclams.ldb",
];

#[test]
fn real_expressions_find_what_pcre2_finds() {
    let name = "real_expressions_find_what_pcre2_finds";
    let Some(mut oracle) = Oracle::start(name) else { return };
    let expressions = expressions();
    if expressions.is_empty() {
        eprintln!("skipped: {name}: ../shared/data is not there");
        assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped");
        return;
    }
    let mut dice = Dice(5);
    let (mut linear, mut matched, mut unmatched) = (0, 0, 0);
    for (pattern, options) in &expressions {
        let text = pattern.escape_ascii().to_string();
        let (node, _) =
            parse::parse(pattern, *options).unwrap_or_else(|error| panic!("{text}: {error}"));
        let subjects: Vec<_> = (0..8).map(|round| (0, subject(&mut dice, &node, round))).collect();
        let answers = oracle.ask(pattern, *options, &subjects);
        let answers = answers.unwrap_or_else(|| panic!("{text}: PCRE2 refuses it"));
        let mut expression = Expression::compile(pattern, *options).unwrap();
        linear += usize::from(expression.is_linear());
        for ((from, subject), answer) in subjects.iter().zip(answers) {
            if answer == Answer::Limit {
                continue;
            }
            *if answer == Answer::NoMatch { &mut unmatched } else { &mut matched } += 1;
            let found = expression.find(subject, *from, &mut 100_000_000);
            let found = found.map(|found| found.map_or(Answer::NoMatch, Answer::Match));
            assert_eq!(found, Ok(answer), "{text} {options:?} on {}", subject.escape_ascii());
        }
    }
    let all = expressions.len();
    eprintln!("{all} expressions, {linear} by automaton; {matched} matches, {unmatched} none");
    assert!(all > 1_100 && matched > all && unmatched > all);
}

/// What a pattern may match, whole, damaged, or among other bytes.
fn subject(dice: &mut Dice, node: &crate::node::Node, round: usize) -> Vec<u8> {
    let mut sample = Vec::new();
    dice.sample(node, &mut Vec::new(), &mut sample);
    let mut subject = if round < 2 { Vec::new() } else { dice.subject(b"ab01 <>(=\n\r\0\"'", 40) };
    subject.append(&mut sample);
    if round % 2 == 1 && !subject.is_empty() {
        let at = dice.below(subject.len());
        subject[at] = u8::try_from(dice.below(256)).unwrap();
    }
    subject.extend(dice.subject(b"ab01 <>(=\n\r\0\"'", 20));
    subject
}

/// Every expression of the sets beside the repository, each once.
pub(super) fn expressions() -> Vec<(Vec<u8>, Options)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let mut all = Vec::new();
    for set in SETS {
        let path = root.join("../shared/data/signatures").join(set);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let file = SignatureSet::named(path.file_name().unwrap().to_str().unwrap()).unwrap();
        for read in file.signatures(&bytes) {
            let Ok(Signature::Logical(signature)) = read else { continue };
            for part in &signature.subsignatures {
                if let Subsignature::Regex(regex) = part {
                    all.push((regex.pattern.to_vec(), options(regex)));
                }
            }
        }
    }
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    all.dedup();
    all
}

fn options(regex: &Regex) -> Options {
    let has = |flag| regex.flags.has(flag);
    Options {
        caseless: has(RegexFlag::Caseless),
        dot_all: has(RegexFlag::DotAll),
        multiline: has(RegexFlag::Multiline),
        extended: has(RegexFlag::Extended),
        anchored: has(RegexFlag::Anchored),
        dollar_end_only: has(RegexFlag::DollarEndOnly),
        ungreedy: has(RegexFlag::Ungreedy),
    }
}
