//! Signatures in the coded form of the database.

use watchglass_database::body::{self as coded, BodyCode, ItemsCode};
use watchglass_database::condition::ConditionsCode;
use watchglass_database::logic::{self, LogicCode};
use watchglass_database::offset as place;
use watchglass_database::signature as signed;

use crate::body::{Body, Class, Edge, Gap, Item, Near, Part, Position};
use crate::field::Range;
use crate::logical::{
    ByteCompare, ByteOrder, Case, Comparison, Description, Encoding, GroupTest, Logic, Operator,
    Regex, RegexFlag, Relation,
};
use crate::offset::{Offset, Place};

/// A body, with the place of each part in it.
#[derive(Clone, Debug)]
pub(super) struct EncodedBody {
    pub(super) code: BodyCode,
    pub(super) parts: Vec<u32>,
}

pub(super) fn body(body: &Body, case: Case) -> EncodedBody {
    let mut code = BodyCode::default();
    let gaps = std::iter::once(Gap::ANY).chain(body.tail.iter().map(|(gap, _)| *gap));
    let parts = gaps.zip(body.parts()).map(|(between, part)| {
        code.push_part(gap(between), &neighbours(part), &items(&part.items, case))
    });
    let parts = parts.collect();
    EncodedBody { code, parts }
}

fn gap(gap: Gap) -> coded::Gap {
    coded::Gap { min: gap.min, max: gap.max }
}

fn neighbours(part: &Part) -> coded::Neighbours {
    coded::Neighbours {
        before: part.before.map(near),
        left: part.left.map(class),
        right: part.right.map(edge),
        after: part.after.map(near),
    }
}

fn near(near: Near) -> coded::Near {
    let position = match near.position {
        Position::Byte(byte) => coded::Position::Byte(byte),
        Position::Any => coded::Position::Any,
        Position::High(half) => coded::Position::High(half),
        Position::Low(half) => coded::Position::Low(half),
    };
    coded::Near { position, min: near.min, max: near.max }
}

fn edge(edge: Edge) -> coded::Edge {
    coded::Edge { class: class(edge.class), negated: edge.negated }
}

fn class(class: Class) -> coded::Class {
    match class {
        Class::Boundary => coded::Class::Boundary,
        Class::Line => coded::Class::Line,
        Class::NoWord => coded::Class::NoWord,
    }
}

fn items(items: &[Item], case: Case) -> ItemsCode {
    let mut code = ItemsCode::default();
    for item in items {
        match item {
            Item::Bytes(bytes) if is_folded(bytes, case) => code.push_folded(bytes),
            Item::Bytes(bytes) => code.push_bytes(bytes),
            Item::Any(count) => code.push_any(*count),
            Item::High(half) => code.push_high(*half),
            Item::Low(half) => code.push_low(*half),
            Item::Class(of) => code.push_class(edge(*of)),
            Item::Choice(choice) => {
                // Choices lie 15 deep at most.
                let options: Vec<_> =
                    choice.options.iter().map(|option| self::items(option, case)).collect();
                code.push_choice(choice.negated, &options);
            }
        }
    }
    code
}

/// Whether case makes a difference.
fn is_folded(bytes: &[u8], case: Case) -> bool {
    case == Case::Folded && bytes.iter().any(u8::is_ascii_alphabetic)
}

/// An offset; `None` for a macro's group, which is no place.
pub(super) fn offset(offset: Offset) -> Option<place::Offset> {
    let Offset::At { place, max_shift } = offset else {
        return Some(place::Offset::Any);
    };
    let place = match place {
        Place::Start(distance) => place::Place::Start(distance),
        Place::End(distance) => place::Place::End(distance),
        Place::BehindEntry(distance) => place::Place::BehindEntry(distance),
        Place::BeforeEntry(distance) => place::Place::BeforeEntry(distance),
        Place::Section { index, distance } => place::Place::Section { index, distance },
        Place::InSection(index) => place::Place::InSection(index),
        Place::LastSection(distance) => place::Place::LastSection(distance),
        Place::VersionInfo => place::Place::VersionInfo,
        Place::Macro(_) => return None,
    };
    Some(place::Offset::At { place, max_shift })
}

/// An expression, which is 256 levels deep at most.
pub(super) fn logic(logic: &Logic) -> LogicCode {
    match logic {
        Logic::Subsignature { index, test } => LogicCode::leaf(*index, test.map(comparison)),
        Logic::Pair { operator, left, right, test } => {
            let operator = match operator {
                Operator::And => logic::Operator::And,
                Operator::Or => logic::Operator::Or,
            };
            let (left, right) = (self::logic(left), self::logic(right));
            LogicCode::pair(operator, &left, &right, test.map(group_test))
        }
    }
}

fn group_test(test: GroupTest) -> logic::GroupTest {
    logic::GroupTest { sum: comparison(test.sum), distinct: test.distinct }
}

fn comparison(test: Comparison) -> logic::Comparison {
    logic::Comparison { relation: relation(test.relation), value: test.count }
}

fn relation(relation: Relation) -> logic::Relation {
    match relation {
        Relation::Equal => logic::Relation::Equal,
        Relation::More => logic::Relation::More,
        Relation::Less => logic::Relation::Less,
    }
}

/// A regular expression; `None` where its offset is no place.
pub(super) fn regex(regex: &Regex) -> Option<signed::SubsignatureCode> {
    let flags = REGEX_FLAGS.iter().zip(0_u32..).filter(|(flag, _)| regex.flags.has(**flag));
    let flags = flags.fold(0, |flags, (_, bit)| flags | 1_u32.wrapping_shl(bit));
    let trigger = logic(&regex.trigger);
    let offset = offset(regex.offset)?;
    Some(signed::SubsignatureCode::regex(offset, flags, &trigger, &regex.pattern))
}

/// Whether the matcher will be able to look for it.
pub(super) fn is_regex(regex: &Regex) -> bool {
    let has = |flag| regex.flags.has(flag);
    let options = watchglass_pcre::Options {
        caseless: has(RegexFlag::Caseless),
        dot_all: has(RegexFlag::DotAll),
        multiline: has(RegexFlag::Multiline),
        extended: has(RegexFlag::Extended),
        anchored: has(RegexFlag::Anchored),
        dollar_end_only: has(RegexFlag::DollarEndOnly),
        ungreedy: has(RegexFlag::Ungreedy),
    };
    watchglass_pcre::Expression::compile(&regex.pattern, options).is_ok()
}

/// In the order of their bits.
const REGEX_FLAGS: [RegexFlag; 10] = [
    RegexFlag::Global,
    RegexFlag::Rolling,
    RegexFlag::Encompass,
    RegexFlag::Caseless,
    RegexFlag::DotAll,
    RegexFlag::Multiline,
    RegexFlag::Extended,
    RegexFlag::Anchored,
    RegexFlag::DollarEndOnly,
    RegexFlag::Ungreedy,
];

pub(super) fn byte_compare(compare: &ByteCompare) -> signed::SubsignatureCode {
    // clamscan 1.4.6 finds no comparison true that lacks one of the two.
    let encoding = compare.order.and(compare.encoding).map(|encoding| match encoding {
        Encoding::Hexadecimal => signed::Encoding::Hexadecimal,
        Encoding::Decimal => signed::Encoding::Decimal,
        Encoding::Automatic => signed::Encoding::Automatic,
        Encoding::Binary => signed::Encoding::Binary,
    });
    let mut tests = compare.tests.iter().map(|test| (relation(test.relation), test.value));
    signed::SubsignatureCode::byte_compare(&signed::ByteCompare {
        subsignature: compare.subsignature,
        offset: compare.offset,
        encoding,
        little_endian: compare.order == Some(ByteOrder::Little),
        exact: compare.exact,
        length: compare.length,
        tests: [tests.next(), tests.next()],
    })
}

pub(super) fn conditions(description: &Description) -> ConditionsCode {
    let mut code = ConditionsCode::default();
    if let Some(Range { min, max }) = description.file_size {
        code.push_file_size(min, max);
    }
    if let Some(Range { min, max }) = description.entry_point {
        code.push_entry_point(min, max);
    }
    if let Some(Range { min, max }) = description.number_of_sections {
        code.push_sections(min, max);
    }
    if let Some(kind) = description.container {
        code.push_container(kind.name());
    }
    if !description.intermediates.is_empty() {
        code.push_intermediates(description.intermediates.iter().map(|kind| kind.name()));
    }
    if let Some(kind) = description.handler_type {
        code.push_handler(kind.name());
    }
    let groups = [&description.icon_group_1, &description.icon_group_2];
    if groups.iter().any(|group| group.is_some()) {
        // `*` is any group, as is none.
        let named = |group: &Option<Box<[u8]>>| group.clone().filter(|name| **name != *b"*");
        let [first, second] = groups.map(|group| named(group).unwrap_or_default());
        code.push_icon([&first, &second]);
    }
    code
}
