//! What must be in a file for a regular expression of a rule to match.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use yara_x_parser::ast::Regexp;

use crate::pattern::{Spot, Spots, product};

/// Every way in which an expression may match, with gaps where it may be anything; `None` for one that
/// cannot be read, or of which too little is known.
pub(crate) fn ways(regexp: &Regexp<'_>, folds: bool) -> Option<Vec<Spots>> {
    // As yara-x reads it: bytes, not characters.
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(folds)
        .dot_matches_new_line(regexp.dot_matches_new_line)
        .nest_limit(MAX_NESTED)
        .build()
        .parse(regexp.src)
        .ok()?;
    Some(of(&parsed))
}

/// Expressions lie in each other [`MAX_NESTED`] deep at most.
fn of(hir: &Hir) -> Vec<Spots> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.iter().map(|byte| Spot::One(*byte)).collect()],
        HirKind::Class(class) => vec![vec![class_spot(class)]],
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => {
            let mut ways = vec![Vec::new()];
            parts.iter().for_each(|part| product(&mut ways, of(part)));
            ways
        }
        HirKind::Alternation(options) => options.iter().flat_map(of).collect(),
    }
}

fn repeated(repetition: &Repetition) -> Vec<Spots> {
    let mut ways = vec![Vec::new()];
    if repetition.min > 0 {
        let sub = of(&repetition.sub);
        let least = repetition.min.min(MAX_REPEATED);
        (0..least).for_each(|_| product(&mut ways, sub.clone()));
        if repetition.max == Some(least) {
            return ways;
        }
    }
    ways.iter_mut().for_each(|way| way.push(Spot::Gap));
    ways
}

fn class_spot(class: &Class) -> Spot {
    let Class::Bytes(class) = class else {
        // Characters are one byte or more.
        return Spot::Gap;
    };
    let values: Vec<u8> =
        class.iter().flat_map(|range| range.start()..=range.end()).take(MAX_VALUES + 1).collect();
    match values[..] {
        [one] => Spot::One(one),
        _ if values.len() > MAX_VALUES => Spot::Any,
        _ => Spot::Of(values),
    }
}

const MAX_NESTED: u32 = 64;
/// Repetitions that are spelled out.
const MAX_REPEATED: u32 = 16;
/// Bytes that a class may hold to be more than anything.
const MAX_VALUES: usize = 16;
