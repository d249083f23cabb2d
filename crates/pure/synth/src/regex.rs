//! Bytes that a regular expression matches.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use watchglass_signatures::logical::{Regex, RegexFlag};

use crate::Dice;

/// Bytes that it matches, where it is plain enough: no look-around, no back-references. None
/// otherwise.
pub(crate) fn spell(regex: &Regex, dice: &mut Dice) -> Option<Vec<u8>> {
    // PCRE takes a backslash before any letter that means nothing, such as the slash.
    let text = std::str::from_utf8(&regex.pattern).ok()?.replace("\\/", "/");
    let has = |flag| regex.flags.has(flag);
    let mut parser = ParserBuilder::new();
    parser
        .unicode(false)
        .utf8(false)
        .case_insensitive(has(RegexFlag::Caseless))
        .dot_matches_new_line(has(RegexFlag::DotAll))
        .multi_line(has(RegexFlag::Multiline))
        .ignore_whitespace(has(RegexFlag::Extended))
        .nest_limit(MAX_DEPTH);
    let hir = parser.build().parse(&text).ok()?;
    let mut bytes = Vec::new();
    spell_hir(&hir, &mut bytes, dice)?;
    (bytes.len() <= MAX_BYTES).then_some(bytes)
}

/// Deeper ones are not made.
const MAX_DEPTH: u32 = 40;
/// Longer ones are not made.
const MAX_BYTES: usize = 1 << 16;
/// Repetitions beyond the least.
const MORE: u32 = 2;

fn spell_hir(hir: &Hir, bytes: &mut Vec<u8>, dice: &mut Dice) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => Some(()),
        HirKind::Literal(literal) => {
            bytes.extend_from_slice(&literal.0);
            Some(())
        }
        HirKind::Class(class) => {
            bytes.push(one_of(class, dice)?);
            Some(())
        }
        HirKind::Look(look) => match look {
            Look::Start | Look::End | Look::StartLF | Look::EndLF => Some(()),
            Look::WordAscii => {
                bytes.push(b' ');
                Some(())
            }
            _ => None,
        },
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).saturating_sub(repetition.min);
            let more = dice.below(crate::spell::size(most.min(MORE)).saturating_add(1));
            let count = crate::spell::size(repetition.min).saturating_add(more);
            for _ in 0..count.min(MAX_BYTES) {
                spell_hir(&repetition.sub, bytes, dice)?;
                if bytes.len() > MAX_BYTES {
                    return None;
                }
            }
            Some(())
        }
        HirKind::Capture(capture) => spell_hir(&capture.sub, bytes, dice),
        HirKind::Concat(all) => all.iter().try_for_each(|one| spell_hir(one, bytes, dice)),
        HirKind::Alternation(all) => spell_hir(dice.pick(all)?, bytes, dice),
    }
}

/// A letter that people write, if the class has one.
fn one_of(class: &Class, dice: &mut Dice) -> Option<u8> {
    let mut all: Vec<u8> = Vec::new();
    match class {
        Class::Bytes(class) => {
            all.extend(class.ranges().iter().flat_map(|range| range.start()..=range.end()));
        }
        Class::Unicode(class) => {
            let ranges = class.ranges().iter();
            let chars = ranges.flat_map(|range| range.start()..=range.end()).take(256);
            all.extend(chars.filter_map(|letter| u8::try_from(letter).ok()));
        }
    }
    let plain: Vec<u8> = all.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    dice.pick(if plain.is_empty() { &all } else { &plain }).copied()
}
