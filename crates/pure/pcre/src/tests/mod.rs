//! Held against PCRE2.

mod oracle;
mod real;
mod sample;

use oracle::{Answer, Oracle};
use sample::Dice;

use crate::{Expression, ExpressionError, Options, OutOfSteps};

const PATTERNS: usize = 1_500;
const STEPS: u64 = 20_000_000;

fn find(
    expression: Result<Expression, ExpressionError>,
    subject: &[u8],
    from: usize,
) -> Result<Answer, OutOfSteps> {
    let found = expression.unwrap().find(subject, from, &mut { STEPS })?;
    Ok(found.map_or(Answer::NoMatch, Answer::Match))
}

#[test]
fn finds_what_pcre2_finds_by_automaton_and_by_trying() {
    let Some(mut oracle) = Oracle::start("finds_what_pcre2_finds_by_automaton_and_by_trying")
    else {
        return;
    };
    let mut dice = Dice(3);
    let (mut linear, mut tried, mut matched) = (0, 0, 0);
    for _ in 0..PATTERNS {
        let mut pattern = String::new();
        dice.pattern(3, &mut pattern);
        let (text, pattern, options) = (pattern.clone(), pattern.as_bytes(), dice.options());
        let mut subjects: Vec<_> = (0..8).map(|_| (0, dice.subject(b"aabbc\nB. ", 12))).collect();
        subjects.iter_mut().for_each(|(from, subject)| {
            *from = if dice.below(3) == 0 { dice.below(subject.len() + 1) } else { 0 };
        });
        let expression = Expression::compile(pattern, options);
        let Some(answers) = oracle.ask(pattern, options, &subjects) else {
            let refused = expression.is_err() || Expression::by_trying(pattern, options).is_err();
            assert!(refused, "{text:?} {options:?} is none");
            continue;
        };
        let expression = match expression {
            Ok(expression) => expression,
            Err(error) => panic!("{text:?} {options:?}: {error}"),
        };
        if expression.is_linear() {
            linear += 1
        } else {
            tried += 1
        }
        for ((from, subject), answer) in subjects.iter().zip(answers) {
            matched += usize::from(matches!(answer, Answer::Match(_)));
            let place = format!(
                "{text:?} {options:?} on {:?} from {from}",
                subject.escape_ascii().to_string()
            );
            if answer == Answer::Limit {
                continue;
            }
            let found = find(Expression::compile(pattern, options), subject, *from);
            assert_eq!(found, Ok(answer.clone()), "{place}");
            let found = find(Expression::by_trying(pattern, options), subject, *from);
            assert_eq!(found, Ok(answer), "{place}, by trying");
        }
    }
    eprintln!("{linear} by automaton, {tried} by trying, {matched} matches");
    assert!(linear > PATTERNS / 20 && tried > PATTERNS / 20 && matched > PATTERNS);
}

#[test]
fn patterns_that_ruin_others_end_within_their_steps() {
    let long = vec![b'a'; 50_000];
    for pattern in [
        r"(a+)+(?=b)",
        r"(a*)*\1b",
        r"(?:a|a)*+b(?=c)",
        r"(.*)(.*)(.*)(.*)\1x",
        r"(?=(a+))\1b",
        r"(?:(?:a{0,65535}){0,65535}){0,65535}(?!a)b",
        r"(?<=(?:a{255}){255})(a|aa)+b",
    ] {
        let mut expression = Expression::compile(pattern.as_bytes(), Options::default()).unwrap();
        assert!(!expression.is_linear(), "{pattern}");
        let mut steps = 1_000_000;
        let found = expression.find(&long, 0, &mut steps);
        assert!(!matches!(found, Ok(Some(_))), "{pattern}");
        assert!(expression.memory() < 64 << 20, "{pattern}: {}", expression.memory());
    }
}

#[test]
fn an_automaton_takes_no_more_steps_than_there_are_bytes_and_an_eighth() {
    let long = vec![b'a'; 100_000];
    for pattern in ["(a+)+b", "(a|aa)+b", "a.*b.*c.*d", "(?:a{1,9}){1,9}b"] {
        let mut expression = Expression::compile(pattern.as_bytes(), Options::default()).unwrap();
        let mut steps = 1_000_000;
        assert_eq!(expression.find(&long, 0, &mut steps), Ok(None), "{pattern}");
        assert!(expression.is_linear() && steps >= 1_000_000 - 112_500, "{pattern} {steps}");
    }
}

#[test]
fn trees_as_deep_as_may_be_are_walked() {
    let (open, close) = ("(?>".repeat(250), ")?".repeat(250));
    for pattern in [format!("{open}a{close}"), format!("{open}a{close}").replace("(?>", "(")] {
        let mut expression = Expression::compile(pattern.as_bytes(), Options::default()).unwrap();
        assert_eq!(expression.find(b"ba", 0, &mut 10_000_000), Ok(Some(0..0)));
    }
}

#[test]
fn bounds_hold_at_their_edge() {
    let mut expression = Expression::compile(b"a", Options::default()).unwrap();
    assert_eq!(expression.find(b"a", 2, &mut 10), Ok(None));
    assert_eq!(expression.find(b"a", 1, &mut 10), Ok(None));
    assert_eq!(expression.find(b"a", 0, &mut 0), Err(OutOfSteps));
    let mut expression = Expression::compile(b"a(?=b)", Options::default()).unwrap();
    assert_eq!(expression.find(b"ab", 0, &mut 0), Err(OutOfSteps));
}
