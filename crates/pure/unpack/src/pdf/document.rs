//! The objects of a file, found by number.

use super::security::Owner;
use super::syntax::{Escapes, Parser, Value};
use super::walk::{Again, Header, Purse};
use crate::budget::Budget;
use crate::reason::NotScanned;

/// What is known of the objects of a file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) purse: Purse,
    /// Where objects stand, by number and then in the order of the file, see [`Document::sort`].
    places: Vec<(u32, Place)>,
    /// What object streams held, as far as it is kept.
    packed: Vec<Vec<u8>>,
    kept: usize,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File { body: usize, generation: u32 },
    Packed { stream: usize, at: usize },
}

/// An object of the file.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) value: Value<'a>,
    /// Where its stream begins, if it has one.
    pub(super) stream: Option<usize>,
    /// How far it was read.
    pub(super) end: usize,
    /// Whether not all of it was kept.
    pub(super) too_large: bool,
    pub(super) escapes: Escapes,
}

impl<'a> Document<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let purse = Purse::new(bytes.len());
        Self { bytes, purse, places: Vec::new(), packed: Vec::new(), kept: 0 }
    }

    /// Reads the object at a header. `again` says whether it lies inside of one that was read.
    pub(super) fn object(&self, header: Header, again: Again) -> Object<'a> {
        let window = match again {
            Again::No => self.bytes,
            Again::Yes => self.purse.window(self.bytes, header.body),
        };
        let mut parser = Parser::new(window, header.body);
        let mut value = Value::Other;
        for _ in 0..MAX_BEFORE {
            match parser.value() {
                None => break,
                Some(found @ Value::Dictionary(_)) => value = found,
                Some(found) if value == Value::Other => value = found,
                Some(_) => {}
            }
        }
        let has_stream = matches!(value, Value::Dictionary(_)) && parser.word(b"stream");
        let end = parser.at();
        self.purse.read(end.saturating_sub(header.body), again);
        let stream = has_stream.then(|| after_line(self.bytes, end));
        Object { value, stream, end, too_large: parser.too_large, escapes: parser.escapes }
    }

    /// Notes where an object of the file stands.
    pub(super) fn note(&mut self, header: Header) {
        let place = Place::File { body: header.body, generation: header.generation };
        if self.places.len() < MAX_PLACES {
            self.places.push((header.number, place));
        }
    }

    /// Notes the objects of an object stream, which `read` found at these places of its content.
    pub(super) fn note_packed(&mut self, content: Vec<u8>, objects: &[(u32, usize)]) {
        let kept = self.kept.saturating_add(content.len());
        if kept > MAX_KEPT {
            return;
        }
        let stream = self.packed.len();
        let left = MAX_PLACES.saturating_sub(self.places.len());
        let places = objects.iter().take(left);
        self.places.extend(places.map(|&(number, at)| (number, Place::Packed { stream, at })));
        self.packed.push(content);
        self.kept = kept;
    }

    /// Makes what was noted ready to be asked for.
    pub(super) fn sort(&mut self) {
        self.places.sort_unstable();
    }

    /// What a value means: itself, or what it refers to, in every generation, the one that is
    /// likeliest last. At most [`MAX_MEANINGS`].
    pub(super) fn resolve<'s>(&'s self, value: &Value<'s>) -> Vec<Value<'s>> {
        let Value::Reference(number) = value else { return vec![value.clone()] };
        self.objects(*number).into_iter().map(|(_, value)| value).collect()
    }

    /// The objects with a number, and whose keys their strings are encrypted with.
    pub(super) fn objects(&self, number: u32) -> Vec<(Option<Owner>, Value<'_>)> {
        let (mut found, mut asked, mut reads) = (Vec::new(), vec![(number, 0)], 0_usize);
        while let Some((number, depth)) = asked.pop() {
            for place in self.places_of(number) {
                reads = reads.saturating_add(1);
                if found.len() >= MAX_MEANINGS || reads > MAX_READS {
                    break;
                }
                match self.read(place) {
                    // Cycles end by their depth.
                    Value::Reference(next) if depth < MAX_REFERENCES => {
                        asked.push((next, depth.saturating_add(1)));
                    }
                    value => found.push((owner(number, place), value)),
                }
            }
        }
        found.reverse();
        found
    }

    /// Places of an object, the last of the file first.
    fn places_of(&self, number: u32) -> impl Iterator<Item = Place> {
        let start = self.places.partition_point(|(known, _)| *known < number);
        let end = self.places.partition_point(|(known, _)| *known <= number);
        let all = self.places.get(start..end).unwrap_or_default();
        all.iter().rev().take(MAX_MEANINGS).map(|(_, place)| *place)
    }

    /// Calls `found` with each object of an object stream.
    pub(super) fn each_packed<'p>(
        &self,
        objects: &[(u32, usize)],
        content: &'p [u8],
        budget: &Budget<'_>,
        mut found: impl FnMut(&Value<'p>),
    ) -> Result<(), NotScanned> {
        let mut frontier = 0;
        for &(_, at) in objects {
            let again = if at < frontier { Again::Yes } else { Again::No };
            let window = match again {
                Again::No => content,
                Again::Yes => self.purse.window(content, at),
            };
            let mut parser = Parser::new(window, at);
            let value = parser.value();
            self.purse.read(parser.at().saturating_sub(at), again);
            frontier = frontier.max(parser.at());
            value.iter().for_each(&mut found);
            self.purse.settle(budget)?;
        }
        Ok(())
    }

    fn read(&self, place: Place) -> Value<'_> {
        let (bytes, at) = match place {
            Place::File { body, .. } => (self.bytes, body),
            Place::Packed { stream, at } => {
                (self.packed.get(stream).map(Vec::as_slice).unwrap_or_default(), at)
            }
        };
        let mut parser = Parser::new(self.purse.window(bytes, at), at);
        let value = parser.value().unwrap_or(Value::Other);
        self.purse.read(parser.at().saturating_sub(at), Again::Yes);
        value
    }
}

fn owner(number: u32, place: Place) -> Option<Owner> {
    match place {
        Place::File { generation, .. } => Some(Owner { number, generation }),
        Place::Packed { .. } => None,
    }
}

/// Where a stream begins whose keyword ends at `at`, 7.3.8.1: after the end of the line, in all the
/// forms that are met.
fn after_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let spaces = rest.iter().take(MAX_SPACES).take_while(|&&byte| byte == b' ').count();
    let line = rest.get(spaces..).unwrap_or_default();
    let skipped = match line {
        [b'\r', b'\n', ..] => spaces.saturating_add(2),
        [b'\r' | b'\n', ..] => spaces.saturating_add(1),
        _ => 0,
    };
    at.saturating_add(skipped)
}

/// The objects of an object stream, 7.5.7: number and place of each in the content.
pub(super) fn packed_objects(first: usize, content: &[u8]) -> Vec<(u32, usize)> {
    let mut parser = Parser::new(content, 0);
    let mut objects = Vec::new();
    // How many there are is said by what stands there, not by N.
    while parser.at() < first && objects.len() < MAX_PLACES {
        let (Some(number), Some(offset)) = (parser.unsigned(), parser.unsigned()) else { break };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let at = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(first);
        if at < content.len() {
            objects.push((number, at));
        }
    }
    objects
}

/// Objects that are known by number. A reader may hold 8,388,607 of them (annex C); documents of a
/// thousand pages have some ten thousand. 32 MiB of memory.
const MAX_PLACES: usize = 1 << 20;
/// Bytes of object streams that are kept to look up what is referred to.
const MAX_KEPT: usize = 32 << 20;
/// Meanings of one reference: as many generations of an object are looked at.
const MAX_MEANINGS: usize = 4;
/// Objects that are read for one reference.
const MAX_READS: usize = 32;
/// References that refer to references.
const MAX_REFERENCES: usize = 8;
/// Values before the dictionary of an object. There is no reason for any.
const MAX_BEFORE: usize = 8;
/// Spaces between `stream` and the end of its line.
const MAX_SPACES: usize = 16;
