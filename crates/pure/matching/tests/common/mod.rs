//! What the tests share: dice, random signatures, files that satisfy them, and the scan of a file.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

pub(crate) mod naive;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use watchglass_database::Database;
use watchglass_formats::Facts;
use watchglass_matching::{Matcher, Object, Scratch, Work};
use watchglass_signatures::body::{Choice, Class, Edge, Item, Near, Position};
use watchglass_signatures::logical::{Content, Logic, Operator, Relation};
use watchglass_signatures::{
    Body, Maker, Offset, Place, PotentiallyUnwanted, Signature, SignatureSet, Source, Subsignature,
    compile,
};

/// Names of what is found in a file of a target.
pub(crate) fn found(database: &[u8], file: &[u8], target: u8) -> BTreeSet<String> {
    let database = Database::open(database).unwrap();
    let mut names = BTreeSet::new();
    let object = Object::new(file, target, &Facts::Unknown);
    let mut work = Work::for_size(file.len() as u64, &|| false);
    let matcher = Matcher::new(&database);
    let scanned = matcher.scan(&object, &mut Scratch::default(), &mut work, &mut |hit| {
        assert!(names.insert(database.name(hit.name).unwrap()), "told twice");
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    names
}

pub(crate) fn compiled(sets: &[(&str, String)]) -> Vec<u8> {
    let source =
        |(file, text): &'_ (&str, String)| (SignatureSet::named(file).unwrap(), text.clone());
    let held: Vec<_> = sets.iter().map(source).collect();
    let sources: Vec<_> = held
        .iter()
        .map(|(set, text)| Source {
            set: set.clone(),
            bytes: text.as_bytes(),
            maker: Maker::Official,
        })
        .collect();
    compile(&sources, PotentiallyUnwanted::PassOver).0
}

pub(crate) fn name(signature: &Signature) -> String {
    match signature {
        Signature::Body(body) => body.name.as_str().to_owned(),
        Signature::Logical(logical) => logical.name.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A folder of the shared data, if it is there.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|above| above.join("shared/data").join(folder));
    found.into_iter().find(|path| path.exists())
}

pub(crate) fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name}: {why}");
    eprintln!("skipped: {name}: {why}");
}

/// Numbers that are the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Few values, so that files are full of near misses.
    fn byte(&mut self) -> u8 {
        *b"\0aAbB01 \n\r.Z".get(self.below(12)).unwrap()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| format!("{:02x}", self.byte())).collect()
    }

    fn item(&mut self) -> String {
        match self.below(12) {
            0 => "??".to_owned(),
            1 => format!("{:x}?", self.byte() >> 4),
            2 => format!("?{:x}", self.byte() & 15),
            3 => format!("({}|{})", self.hex(1), self.hex(1)),
            4 => format!("({}|{}|{})", self.hex(2), self.hex(1), self.hex(3)),
            5 => format!("!({}|{})", self.hex(2), self.hex(2)),
            6 => ["(B)", "(L)", "(W)", "!(B)", "!(L)", "!(W)"][self.below(6)].to_owned(),
            _ => {
                let count = 1 + self.below(3);
                self.hex(count)
            }
        }
    }

    fn part(&mut self) -> String {
        let anchor = 2 + self.below(4);
        let before: String = (0..self.below(3)).map(|_| self.item()).collect();
        let behind: String = (0..self.below(3)).map(|_| self.item()).collect();
        let near = if self.below(8) == 0 { format!("{}[1-3]", self.hex(1)) } else { String::new() };
        let after =
            if self.below(8) == 0 { format!("[0-2]{}", self.hex(1)) } else { String::new() };
        format!("{near}{before}{}{behind}{after}", self.hex(anchor))
    }

    pub(crate) fn body(&mut self) -> String {
        let mut body = self.part();
        for _ in 0..self.below(3) {
            let gap = ["*", "{2-5}", "{-4}", "{3-}"][self.below(4)];
            body = format!("{body}{gap}{}", self.part());
        }
        body
    }

    fn offset(&mut self) -> String {
        match self.below(6) {
            0 => format!("{}", self.below(6)),
            1 => format!("{},{}", self.below(4), self.below(8)),
            2 => format!("EOF-{},{}", 5 + self.below(9), self.below(5)),
            _ => "*".to_owned(),
        }
    }

    pub(crate) fn body_line(&mut self, number: usize) -> String {
        format!("B{number}:0:{}:{}\n", self.offset(), self.body())
    }

    pub(crate) fn logical_line(&mut self, number: usize) -> String {
        let count = 1 + self.below(4);
        let mut logic = self.leaf(0);
        for index in 1..count {
            let sign = ["&", "|"][self.below(2)];
            logic = format!("{logic}{sign}{}", self.leaf(index));
            if self.below(3) == 0 {
                let test = ["", ">1", "=2", "<3", ">1,2"][self.below(5)];
                logic = format!("({logic}){test}");
            }
        }
        let subsignatures: Vec<_> = (0..count)
            .map(|_| {
                let modifiers = ["", "", "", "::i", "::w", "::wa", "::f"][self.below(7)];
                match self.below(3) {
                    0 => format!("{}:{}{modifiers}", self.offset(), self.body()),
                    _ => format!("{}{modifiers}", self.body()),
                }
            })
            .collect();
        let size = ["", ",FileSize:0-60", ",FileSize:30-5000"][self.below(3)];
        format!("L{number};Engine:51-255{size},Target:0;{logic};{}\n", subsignatures.join(";"))
    }

    fn leaf(&mut self, index: usize) -> String {
        let test = ["", "", "", "", ">1", "=1", "=0", "<2"][self.below(8)];
        format!("{index}{test}")
    }

    /// Changes some bytes, or moves them.
    pub(crate) fn damage(&mut self, file: &mut Vec<u8>) {
        for _ in 0..=self.below(2) {
            if file.is_empty() {
                return;
            }
            let at = self.below(file.len());
            match self.below(3) {
                0 => file[at] = self.byte(),
                1 => drop(file.remove(at)),
                _ => file.insert(at, self.byte()),
            }
        }
    }

    pub(crate) fn filler(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

/// A file that is made to satisfy a signature, and mostly does.
pub(crate) fn satisfy(signature: &Signature, dice: &mut Dice) -> Vec<u8> {
    match signature {
        Signature::Body(body) => placed(&[(body.offset, spell(&body.body, dice))], dice),
        Signature::Logical(logical) => {
            let mut wanted = Vec::new();
            want(&logical.logic, &mut wanted);
            let mut pieces = Vec::new();
            for (index, count) in wanted {
                if let Some(Subsignature::Content(content)) = logical.subsignatures.get(index) {
                    let Content { offset, bodies, .. } = content;
                    let body = &bodies[dice.below(bodies.len())];
                    pieces.extend((0..count).map(|_| (*offset, spell(body, dice))));
                }
            }
            placed(&pieces, dice)
        }
        other => panic!("{other:?}"),
    }
}

/// How often each sub-signature is to be put there.
fn want(logic: &Logic, wanted: &mut Vec<(usize, u32)>) {
    match logic {
        Logic::Subsignature { index, test } => {
            let count = match test {
                None => 1,
                Some(test) => match test.relation {
                    Relation::Equal => test.count,
                    Relation::More => test.count.saturating_add(1),
                    Relation::Less => test.count.saturating_sub(1),
                },
            };
            wanted.push((usize::from(*index), count.min(600)));
        }
        Logic::Pair { operator, left, right, test } => {
            want(left, wanted);
            if *operator == Operator::And || test.is_some() {
                want(right, wanted);
            }
        }
    }
}

/// Pieces at their offsets, those without one behind each other.
fn placed(pieces: &[(Offset, Vec<u8>)], dice: &mut Dice) -> Vec<u8> {
    let mut file = Vec::new();
    let start = |offset: &Offset| match offset {
        Offset::At { place: Place::Start(at), .. } => Some(*at as usize),
        _ => None,
    };
    for (offset, piece) in pieces {
        if let Some(at) = start(offset) {
            let missing = (at + piece.len()).saturating_sub(file.len());
            let filler = dice.filler(missing);
            file.extend(filler);
            file[at..at + piece.len()].copy_from_slice(piece);
        }
    }
    for (offset, piece) in pieces {
        if *offset == Offset::Any {
            let filler = dice.below(6);
            file.extend(dice.filler(filler));
            file.extend(piece);
        }
    }
    let filler = dice.below(6);
    file.extend(dice.filler(filler));
    for (offset, piece) in pieces {
        if let Offset::At { place: Place::End(before), .. } = offset {
            let before = *before as usize;
            let mut piece = piece.clone();
            let missing = before.saturating_sub(piece.len());
            piece.extend(dice.filler(missing));
            file.extend(piece);
        }
    }
    file
}

/// Bytes in which a body stands.
pub(crate) fn spell(body: &Body, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in body.parts().enumerate() {
        if let Some((gap, _)) = at.checked_sub(1).and_then(|at| body.tail.get(at)) {
            let least = gap.min as usize;
            let more = gap.max.map_or(4, |max| (max as usize).saturating_sub(least).min(4));
            let count = least + dice.below(more + 1);
            bytes.extend(dice.filler(count));
        }
        bytes.extend(part.before.iter().flat_map(|near| spell_near(*near, true, dice)));
        bytes.extend(part.left.map(|class| spell_class(Edge { class, negated: false })));
        spell_items(&part.items, &mut bytes, dice);
        bytes.extend(part.right.map(spell_class));
        bytes.extend(part.after.iter().flat_map(|near| spell_near(*near, false, dice)));
    }
    bytes
}

fn spell_near(near: Near, before: bool, dice: &mut Dice) -> Vec<u8> {
    let byte = match near.position {
        Position::Byte(byte) => byte,
        Position::Any => dice.byte(),
        Position::High(half) => half << 4,
        Position::Low(half) => 0x40 | half,
    };
    let between = usize::from(near.min) + dice.below(usize::from(near.max - near.min) + 1);
    let mut bytes = dice.filler(between);
    if before {
        bytes.insert(0, byte)
    } else {
        bytes.push(byte)
    }
    bytes
}

fn spell_class(edge: Edge) -> u8 {
    match (edge.class, edge.negated) {
        (Class::Boundary | Class::NoWord, false) => b'-',
        (Class::Line, false) => b'\n',
        (_, true) => b'q',
    }
}

fn spell_items(items: &[Item], bytes: &mut Vec<u8>, dice: &mut Dice) {
    for item in items {
        match item {
            Item::Bytes(these) => bytes.extend_from_slice(these),
            Item::Any(count) => bytes.extend(dice.filler(*count as usize)),
            Item::High(half) => bytes.push(half << 4 | dice.byte() & 15),
            Item::Low(half) => bytes.push(dice.byte() & 0xf0 | half),
            Item::Class(edge) => bytes.push(spell_class(*edge)),
            Item::Choice(Choice { negated: false, options }) => {
                spell_items(&options[dice.below(options.len())], bytes, dice);
            }
            Item::Choice(Choice { negated: true, options }) => {
                let Some([Item::Bytes(one)]) = options.first().map(|option| &option[..]) else {
                    continue;
                };
                bytes.extend(one.iter().map(|_| b'~'));
            }
        }
    }
}
