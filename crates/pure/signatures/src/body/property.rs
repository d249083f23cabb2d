//! What holds for every body: it is written in one spelling and read as the same.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{
    Body, Choice, Choices, Class, Edge, Gap, Item, Near, Part, Position, Prefilter, Rules,
};

const RULES: Rules = Rules { choices: Choices::Plain, prefilter: Prefilter::No };

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(body in body()) {
        let text = body.to_string();
        prop_assert_eq!(Body::parse(text.as_bytes(), RULES), Ok(body), "{}", text);
    }

    #[test]
    fn what_parses_prints_to_what_parses_to_the_same(text in "([0-9a-f?]{2}|[(|)*!{}\\[\\]BLW0-9-]){0,40}") {
        if let Ok(body) = Body::parse(text.as_bytes(), RULES) {
            let again = body.to_string();
            prop_assert_eq!(Body::parse(again.as_bytes(), RULES), Ok(body), "{} {}", text, again);
        }
    }
}

fn body() -> impl Strategy<Value = Body> {
    let tail = vec((gap(), part()), 0..4);
    (part(), tail).prop_map(|(head, tail)| Body { head, tail })
}

fn gap() -> impl Strategy<Value = Gap> {
    let max = of(1..1_000_u32);
    (0..1_000_u32, max).prop_map(|(min, max)| Gap { min, max })
}

fn part() -> impl Strategy<Value = Part> {
    let anchor = vec(any::<u8>(), 2..6).prop_map(|bytes| Item::Bytes(bytes.into()));
    let items =
        (vec(item(), 0..4), anchor, vec(item(), 0..4)).prop_map(|(before, anchor, after)| {
            let items = before.into_iter().chain([anchor]).chain(after);
            joined(items.collect())
        });
    (of(near()), of(class()), items, of(edge()), of(near())).prop_map(
        |(before, left, items, right, after)| {
            // A class at an end is of the neighbour, so none stands there as a position.
            let items = without_classes_at_the_ends(items, left, right);
            Part { before, left, items, right, after }
        },
    )
}

fn without_classes_at_the_ends(
    mut items: Vec<Item>,
    left: Option<Class>,
    right: Option<Edge>,
) -> Vec<Item> {
    let first = matches!(items.first(), Some(Item::Class(edge)) if !edge.negated);
    if left.is_none() && first {
        items.insert(0, Item::High(1));
    }
    if right.is_none() && matches!(items.last(), Some(Item::Class(_))) {
        items.push(Item::Low(2));
    }
    items
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        4 => position(),
        1 => edge().prop_map(Item::Class),
        1 => choice().prop_map(Item::Choice),
        1 => negated().prop_map(Item::Choice),
    ]
}

fn position() -> impl Strategy<Value = Item> {
    prop_oneof![
        vec(any::<u8>(), 1..4).prop_map(|bytes| Item::Bytes(bytes.into())),
        (1..300_u32).prop_map(Item::Any),
        (0..16_u8).prop_map(Item::High),
        (0..16_u8).prop_map(Item::Low),
    ]
}

/// Options of unequal lengths with wildcards, so that an empty one is allowed; one choice inside.
fn choice() -> impl Strategy<Value = Choice> {
    let option = || vec(position(), 0..3).prop_map(joined);
    let inner = vec(option(), 2..4).prop_map(|options| Choice { negated: false, options });
    (vec(option(), 1..3), inner).prop_map(|(mut options, inner)| {
        options.push(vec![Item::Low(3), Item::Choice(inner), Item::High(4)]);
        Choice { negated: false, options }
    })
}

fn negated() -> impl Strategy<Value = Choice> {
    let options = (1..4_usize, 1..4_usize).prop_flat_map(|(length, count)| {
        vec(vec(any::<u8>(), length).prop_map(|bytes| vec![Item::Bytes(bytes.into())]), count)
    });
    (any::<bool>(), options).prop_map(|(negated, options)| Choice { negated, options })
}

fn near() -> impl Strategy<Value = Near> {
    let position = prop_oneof![
        any::<u8>().prop_map(Position::Byte),
        Just(Position::Any),
        (0..16_u8).prop_map(Position::High),
        (0..16_u8).prop_map(Position::Low),
    ];
    (position, 0..=32_u8, 0..=32_u8).prop_map(|(position, one, other)| Near {
        position,
        min: one.min(other),
        max: one.max(other),
    })
}

fn edge() -> impl Strategy<Value = Edge> {
    (class(), any::<bool>()).prop_map(|(class, negated)| Edge { class, negated })
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Boundary), Just(Class::Line), Just(Class::NoWord)]
}

/// Joins neighbours, as [`Item`] wants.
fn joined(items: Vec<Item>) -> Vec<Item> {
    let mut all: Vec<Item> = Vec::new();
    for item in items {
        match (all.last_mut(), item) {
            (Some(Item::Bytes(before)), Item::Bytes(more)) => {
                *before = [&**before, &*more].concat().into()
            }
            (Some(Item::Any(before)), Item::Any(more)) => *before += more,
            (_, item) => all.push(item),
        }
    }
    all
}
