//! The plain reading of signatures: every place tried, every way followed, nothing prepared.

use watchglass_formats::Facts;
use watchglass_signatures::body::{Class, Edge, Item, Near, Part, Position};
use watchglass_signatures::logical::{Case, Comparison, Content, Logic, Operator, Relation};
use watchglass_signatures::{Body, Offset, Place, Signature, Subsignature};

pub(crate) fn holds(signature: &Signature, file: &[u8], facts: &Facts<'_>) -> bool {
    match signature {
        Signature::Body(body) => count(&body.body, Case::Exact, body.offset, file, facts) > 0,
        Signature::Logical(logical) => {
            let size = logical.description.file_size;
            let fits = size
                .is_none_or(|size| (size.min as usize..=size.max as usize).contains(&file.len()));
            let counts: Vec<u32> =
                logical.subsignatures.iter().map(|of| subsignature(of, file, facts)).collect();
            fits && logic(&logical.logic, &counts).is_some()
        }
        other => panic!("{other:?}"),
    }
}

fn subsignature(of: &Subsignature, file: &[u8], facts: &Facts<'_>) -> u32 {
    let Subsignature::Content(Content { offset, case, bodies }) = of else {
        panic!("{of:?}");
    };
    bodies.iter().map(|body| count(body, *case, *offset, file, facts)).sum()
}

/// The sum of counts and the sub-signatures that made it hold.
fn logic(of: &Logic, counts: &[u32]) -> Option<(u32, Vec<u8>)> {
    match of {
        Logic::Subsignature { index, test } => {
            let count = counts[usize::from(*index)];
            let holds = test.map_or(count > 0, |test| compare(test, count));
            holds.then(|| (count, vec![*index]))
        }
        Logic::Pair { operator, left, right, test } => {
            let (left, right) = (logic(left, counts), logic(right, counts));
            let fails = *operator == Operator::And && (left.is_none() || right.is_none());
            let both: Vec<_> = left.into_iter().chain(right).filter(|_| !fails).collect();
            if both.is_empty() && test.is_none() {
                return None;
            }
            let sum = both.iter().map(|one| one.0).sum();
            let mut named: Vec<u8> = both.into_iter().flat_map(|one| one.1).collect();
            named.sort_unstable();
            named.dedup();
            let holds = test
                .is_none_or(|test| compare(test.sum, sum) && named.len() >= test.distinct as usize);
            holds.then_some((sum, named))
        }
    }
}

fn compare(test: Comparison, count: u32) -> bool {
    match test.relation {
        Relation::Equal => count == test.count,
        Relation::More => count > test.count,
        Relation::Less => count < test.count,
    }
}

/// At how many places the last part of a body stands with the others before it.
fn count(body: &Body, case: Case, offset: Offset, file: &[u8], facts: &Facts<'_>) -> u32 {
    assert!(matches!(facts, Facts::Unknown), "offsets in programs are tested elsewhere");
    let may_start = |at: usize| match offset {
        Offset::Any => true,
        Offset::At { place, max_shift } => {
            let first = match place {
                Place::Start(at) => Some(at as usize),
                Place::End(before) => file.len().checked_sub(before as usize),
                _ => None,
            };
            first.is_some_and(|first| (first..=first + max_shift as usize).contains(&at))
        }
    };
    let mut starts: Vec<usize> = (0..=file.len()).filter(|at| may_start(*at)).collect();
    let mut parts = body.parts().peekable();
    let mut gaps = body.tail.iter().map(|(gap, _)| gap);
    while let Some(part) = parts.next() {
        let standing: Vec<(usize, Vec<usize>)> =
            starts.iter().map(|at| (*at, ends(part, case, file, *at))).collect();
        if parts.peek().is_none() {
            return standing.iter().filter(|(_, ends)| !ends.is_empty()).count() as u32;
        }
        let gap = gaps.next().unwrap();
        let all: Vec<usize> = standing.into_iter().flat_map(|(_, ends)| ends).collect();
        let fits = |start: &usize| {
            all.iter().any(|end| {
                let between = start.checked_sub(*end);
                between.is_some_and(|between| {
                    between >= gap.min as usize && gap.max.is_none_or(|max| between <= max as usize)
                })
            })
        };
        starts = (0..=file.len()).filter(fits).collect();
    }
    0
}

fn ends(part: &Part, case: Case, file: &[u8], start: usize) -> Vec<usize> {
    let left = part
        .left
        .is_none_or(|class| start == 0 || is_class(class, &file[start - 1..start], Side::Left));
    let before = part.before.is_none_or(|near| {
        distances(near).any(|between| {
            start.checked_sub(between + 1).is_some_and(|at| is_position(near, file[at]))
        })
    });
    let mut ends = if left && before { items(&part.items, case, file, start) } else { Vec::new() };
    ends.retain(|end| {
        let right = part.right.is_none_or(|edge| {
            let is = *end == file.len() || is_class(edge.class, &file[*end..], Side::Right);
            is != edge.negated
        });
        let after = part.after.is_none_or(|near| {
            distances(near)
                .any(|between| file.get(end + between).is_some_and(|byte| is_position(near, *byte)))
        });
        right && after
    });
    ends
}

fn distances(near: Near) -> impl Iterator<Item = usize> {
    (near.min..=near.max).map(usize::from)
}

fn is_position(near: Near, byte: u8) -> bool {
    match near.position {
        Position::Byte(wanted) => byte == wanted,
        Position::Any => true,
        Position::High(half) => byte >> 4 == half,
        Position::Low(half) => byte & 15 == half,
    }
}

fn items(all: &[Item], case: Case, file: &[u8], at: usize) -> Vec<usize> {
    let Some((item, rest)) = all.split_first() else {
        return vec![at];
    };
    let behind: Vec<usize> = one(item, case, file, at);
    behind.into_iter().flat_map(|at| items(rest, case, file, at)).collect()
}

fn one(item: &Item, case: Case, file: &[u8], at: usize) -> Vec<usize> {
    let left = &file[at..];
    let byte = |is: &dyn Fn(u8) -> bool| match left.first() {
        Some(byte) if is(*byte) => vec![at + 1],
        _ => Vec::new(),
    };
    match item {
        Item::Bytes(wanted) => {
            let fits = left.len() >= wanted.len()
                && wanted.iter().zip(left).all(|(wanted, byte)| same(*wanted, *byte, case));
            if fits { vec![at + wanted.len()] } else { Vec::new() }
        }
        Item::Any(count) => {
            let count = *count as usize;
            if left.len() >= count { vec![at + count] } else { Vec::new() }
        }
        Item::High(half) => byte(&|byte| byte >> 4 == *half),
        Item::Low(half) => byte(&|byte| byte & 15 == *half),
        Item::Class(Edge { class, negated: false }) => match (class, left) {
            (Class::Line, [b'\r', b'\n', ..]) => vec![at + 2],
            (_, []) => Vec::new(),
            (class, left) if is_class(*class, left, Side::Inside) => vec![at + 1],
            _ => Vec::new(),
        },
        Item::Class(Edge { class, negated: true }) => {
            if left.is_empty() || is_class(*class, left, Side::Inside) {
                Vec::new()
            } else {
                vec![at + 1]
            }
        }
        Item::Choice(choice) if choice.negated => {
            let stands = |option: &Vec<Item>| !items(option, case, file, at).is_empty();
            let Some([Item::Bytes(first)]) = choice.options.first().map(|option| &option[..])
            else {
                return Vec::new();
            };
            let fits = left.len() >= first.len() && !choice.options.iter().any(stands);
            if fits { vec![at + first.len()] } else { Vec::new() }
        }
        Item::Choice(choice) => {
            let all = choice.options.iter().flat_map(|option| items(option, case, file, at));
            let mut all: Vec<usize> = all.collect();
            all.sort_unstable();
            all.dedup();
            all
        }
    }
}

fn same(wanted: u8, byte: u8, case: Case) -> bool {
    match case {
        Case::Exact => wanted == byte,
        Case::Folded => wanted.eq_ignore_ascii_case(&byte),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Inside,
    Right,
}

/// By the answers of clamscan 1.4.6.
fn is_class(class: Class, left: &[u8], side: Side) -> bool {
    let byte = left[0];
    match (class, side) {
        (Class::NoWord, _) => !byte.is_ascii_alphanumeric(),
        (Class::Line, Side::Left) => byte == b'\n',
        (Class::Line, _) => byte == b'\n' || left.starts_with(b"\r\n"),
        (Class::Boundary, Side::Left) => b" -./<@_".contains(&byte),
        (Class::Boundary, Side::Right) => b"\n\r \"'-/=>_".contains(&byte),
        (Class::Boundary, Side::Inside) => b" -./<@_\n\r\"'=>".contains(&byte),
    }
}
