//! What must be in a file for a pattern of a rule to be found.

use std::collections::BTreeSet;

use watchglass_signatures::Offset;
use watchglass_signatures::body::{Body, Choice, Gap, Item, Part};
use watchglass_signatures::logical::Case;
use watchglass_signatures::rule::{Found, Need};
use yara_x_parser::ast::{
    HexSubPattern, HexToken, LiteralString, Pattern, PatternModifier, TextPattern,
};

use crate::base64;
use crate::regex;

/// What one position of a file must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    One(u8),
    /// One of these.
    Of(Vec<u8>),
    High(u8),
    Low(u8),
    Any,
    /// Any number of any bytes.
    Gap,
}

/// Positions side by side.
pub(crate) type Spots = Vec<Spot>;

/// What a pattern needs, if it is to be found at `offset`.
pub(crate) fn need(pattern: &Pattern<'_>, offset: Offset) -> Need {
    let case = if folds(pattern) { Case::Folded } else { Case::Exact };
    let Some(ways) = ways(pattern) else { return Need::Anything };
    let bodies: Option<Vec<(Body, bool)>> = ways.iter().map(|way| body(way, case)).collect();
    let Some(bodies) = bodies else { return Need::Anything };
    let begins = bodies.iter().all(|(_, begins)| *begins);
    let offset = if begins { offset } else { Offset::Any };
    Need::Found(Found { offset, case, bodies: bodies.into_iter().map(|(body, _)| body).collect() })
}

fn folds(pattern: &Pattern<'_>) -> bool {
    let by_flag = matches!(pattern, Pattern::Regexp(of) if of.regexp.case_insensitive);
    by_flag || pattern.modifiers().nocase().is_some()
}

/// Every way in which a pattern may stand in a file; `None` where they are too many or unknown.
fn ways(pattern: &Pattern<'_>) -> Option<Vec<Spots>> {
    let plain = match pattern {
        Pattern::Text(text) => return text_ways(text),
        Pattern::Hex(hex) => hex_ways(&hex.sub_patterns)?,
        Pattern::Regexp(regexp) => regex::ways(&regexp.regexp, folds(pattern))?,
    };
    Some(with_wide(plain, pattern))
}

fn with_wide(plain: Vec<Spots>, pattern: &Pattern<'_>) -> Vec<Spots> {
    let modifiers = pattern.modifiers();
    let mut ways: Vec<Spots> = Vec::new();
    if modifiers.wide().is_some() {
        ways.extend(plain.iter().map(|spots| wide(spots)));
    }
    if modifiers.wide().is_none() || modifiers.ascii().is_some() {
        ways.extend(plain);
    }
    ways
}

/// Each position with a zero byte behind it.
fn wide(spots: &[Spot]) -> Spots {
    let pair = |spot: &Spot| match spot {
        Spot::Gap => vec![Spot::Gap],
        other => vec![other.clone(), Spot::One(0)],
    };
    spots.iter().flat_map(pair).collect()
}

fn text_ways(text: &TextPattern<'_>) -> Option<Vec<Spots>> {
    let bytes: &[u8] = text.text.value.as_ref();
    let modifiers = &text.modifiers;
    let is_encoded = modifiers.base64().is_some() || modifiers.base64wide().is_some();
    if is_encoded {
        return encoded_ways(text, bytes);
    }
    let widened: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let mut plain = Vec::new();
    if modifiers.wide().is_some() {
        plain.push(widened);
    }
    if modifiers.wide().is_none() || modifiers.ascii().is_some() {
        plain.push(bytes.to_vec());
    }
    let keys = match modifiers.xor() {
        Some(PatternModifier::Xor { start, end, .. }) => *start..=*end,
        _ => 0..=0,
    };
    if keys.len() > MAX_KEYS {
        return None;
    }
    let of_key =
        |key: u8| plain.iter().map(move |bytes| spots(bytes.iter().map(|byte| byte ^ key)));
    Some(keys.flat_map(of_key).collect())
}

fn encoded_ways(text: &TextPattern<'_>, bytes: &[u8]) -> Option<Vec<Spots>> {
    let modifiers = &text.modifiers;
    let mut plain: Vec<Vec<u8>> = Vec::new();
    if modifiers.wide().is_some() {
        plain.push(bytes.iter().flat_map(|byte| [*byte, 0]).collect());
    }
    if modifiers.wide().is_none() || modifiers.ascii().is_some() {
        plain.push(bytes.to_vec());
    }
    let mut ways = Vec::new();
    for modifier in modifiers.iter() {
        let (alphabet, is_wide) = match modifier {
            PatternModifier::Base64 { alphabet, .. } => (alphabet, false),
            PatternModifier::Base64Wide { alphabet, .. } => (alphabet, true),
            _ => continue,
        };
        let alphabet = alphabet.as_ref().map_or(Some(*base64::STANDARD), letters)?;
        for encoded in plain.iter().flat_map(|bytes| base64::spellings(bytes, &alphabet)) {
            let spots = spots(encoded);
            ways.push(if is_wide { wide(&spots) } else { spots });
        }
    }
    Some(ways)
}

fn letters(alphabet: &LiteralString<'_>) -> Option<[u8; 64]> {
    let bytes: &[u8] = alphabet.value.as_ref();
    bytes.try_into().ok()
}

fn spots(bytes: impl IntoIterator<Item = u8>) -> Spots {
    bytes.into_iter().map(Spot::One).collect()
}

fn hex_ways(tokens: &HexSubPattern) -> Option<Vec<Spots>> {
    let mut ways: Vec<Spots> = vec![Vec::new()];
    for token in tokens.iter() {
        let next: Vec<Spots> = match token {
            HexToken::Byte(byte) => vec![vec![masked(byte.value, byte.mask)]],
            HexToken::NotByte(_) => vec![vec![Spot::Any]],
            HexToken::Jump(jump) => match (jump.start, jump.end) {
                (Some(start), Some(end)) if start == end && start <= MAX_JUMP => {
                    vec![(0..start).map(|_| Spot::Any).collect()]
                }
                _ => vec![vec![Spot::Gap]],
            },
            HexToken::Alternative(alternative) => {
                let all = alternative.alternatives.iter().map(hex_ways);
                let all: Option<Vec<Vec<Spots>>> = all.collect();
                all?.into_iter().flatten().collect()
            }
        };
        product(&mut ways, next);
    }
    Some(ways)
}

/// Puts each of the next spots behind each of those before; where they would be too many, anything.
pub(crate) fn product(ways: &mut Vec<Spots>, next: Vec<Spots>) {
    if let [one] = &next[..] {
        ways.iter_mut().for_each(|way| way.extend_from_slice(one));
    } else if let Some(spots) = single_bytes(&next) {
        ways.iter_mut().for_each(|way| way.push(spots.clone()));
    } else if ways.len().saturating_mul(next.len()) > MAX_WAYS {
        ways.iter_mut().for_each(|way| way.push(Spot::Gap));
    } else {
        let with = |way: &Spots| {
            next.iter().map(|spots| [&way[..], spots].concat()).collect::<Vec<Spots>>()
        };
        *ways = ways.iter().flat_map(with).collect();
    }
}

/// Several ways of one byte each.
fn single_bytes(ways: &[Spots]) -> Option<Spot> {
    let byte = |way: &Spots| match way[..] {
        [Spot::One(byte)] => Some(byte),
        _ => None,
    };
    let bytes: Option<BTreeSet<u8>> = ways.iter().map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| Spot::Of(bytes.into_iter().collect()))
}

fn masked(value: u8, mask: u8) -> Spot {
    match mask {
        0xff => Spot::One(value),
        0xf0 => Spot::High(value >> 4),
        0x0f => Spot::Low(value & 0x0f),
        _ => Spot::Any,
    }
}

/// A body, and whether it begins where the spots do; `None` where nothing in it can be searched for.
fn body(spots: &[Spot], case: Case) -> Option<(Body, bool)> {
    let mut parts = Vec::new();
    let mut begins = true;
    for (index, run) in spots.split(|spot| *spot == Spot::Gap).enumerate() {
        let is_free = |spot: &&Spot| matches!(spot, Spot::Any);
        let from = run.iter().take_while(is_free).count();
        let to = run.len() - run.iter().rev().take_while(is_free).count();
        let kept = run.get(from..to.min(from.saturating_add(MAX_PART))).unwrap_or_default();
        // A part is searched for by its plain bytes.
        let part = items(kept, case).filter(|_| parts.len() < MAX_PARTS);
        if index == 0 {
            begins = from == 0 && part.is_some();
        }
        parts.extend(part.map(|items| Part {
            before: None,
            left: None,
            items,
            right: None,
            after: None,
        }));
    }
    let mut parts = parts.into_iter();
    let head = parts.next()?;
    Some((Body { head, tail: parts.map(|part| (Gap::ANY, part)).collect() }, begins))
}

/// Positions as items; `None` where no two plain bytes, or none but one, stand side by side.
fn items(spots: &[Spot], case: Case) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let mut longest = 0;
    let mut flush = |bytes: &mut Vec<u8>, items: &mut Vec<Item>| {
        longest = longest.max(bytes.len());
        if !bytes.is_empty() {
            items.push(Item::Bytes(std::mem::take(bytes).into()));
        }
    };
    for spot in spots {
        if let Some(byte) = plain(spot, case) {
            bytes.push(byte);
            continue;
        }
        flush(&mut bytes, &mut items);
        match spot {
            Spot::High(half) => items.push(Item::High(*half)),
            Spot::Low(half) => items.push(Item::Low(*half)),
            Spot::Of(values) if values.len() <= MAX_CHOICES => {
                let options = values.iter().map(|byte| vec![Item::Bytes([*byte].into())]);
                items.push(Item::Choice(Choice { negated: false, options: options.collect() }));
            }
            _ => match items.last_mut() {
                Some(Item::Any(count)) => *count = count.saturating_add(1),
                _ => items.push(Item::Any(1)),
            },
        }
    }
    flush(&mut bytes, &mut items);
    (longest >= 2 || spots.len() == 1 && longest == 1).then_some(items)
}

/// The byte of a position that is one byte, or one letter where cases are one.
fn plain(spot: &Spot, case: Case) -> Option<u8> {
    match spot {
        Spot::One(byte) => Some(*byte),
        Spot::Of(values) if case == Case::Folded => match values[..] {
            [one, other] if one != other && one.eq_ignore_ascii_case(&other) => {
                Some(one.to_ascii_lowercase())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Keys of `xor` that are tried: all of them.
const MAX_KEYS: usize = 256;
/// Positions of anything that are kept as such.
const MAX_JUMP: u32 = 16;
/// Ways in which one pattern is spelled out.
const MAX_WAYS: usize = 64;
/// Parts of a body and positions of a part: what is beyond is left to the rule itself.
const MAX_PARTS: usize = 8;
const MAX_PART: usize = 128;
/// Bytes that one position may be.
const MAX_CHOICES: usize = 16;
