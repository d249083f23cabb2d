//! What must be known of a file before its members can be given: objects by number, encryption, and
//! what streams are for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::document::{Document, Object, packed_objects};
use super::extent::Ends;
use super::filters::{Chain, Made, Rows};
use super::security::{Method, Owner, Security, Use};
use super::syntax::{Dictionary, Value};
use super::walk::{Again, Header, Headers};
use super::xref::{Seen, Xref};
use crate::budget::{Budget, to_u64};
use crate::reason::NotScanned;

/// A file that was walked once.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) document: Document<'a>,
    pub(super) security: Security,
    pub(super) seen: Seen,
    pub(super) uses: Uses,
    /// Where the first needless escape of a name stands, and how many there are.
    pub(super) escapes: (Option<u64>, u64),
    /// What was not kept, if something was not.
    pub(super) too_large: Option<NotScanned>,
    /// Cross-reference streams and object streams.
    special: Vec<Header>,
    /// Bytes of those that may still be decoded: all of the file, and some more.
    decodable: usize,
}

/// What objects are for.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The names of embedded files by the number of their stream.
    names: BTreeMap<u32, FileName>,
    /// Objects that are scripts.
    pub(super) scripts: BTreeSet<u32>,
}

/// A file name as a file specification has it.
#[derive(Debug)]
pub(super) struct FileName {
    raw: Rc<[u8]>,
    owner: Option<Owner>,
}

impl<'a> Index<'a> {
    /// Walks over the file. `shift` is where its header stands.
    pub(super) fn new(
        bytes: &'a [u8],
        shift: usize,
        budget: &Budget<'_>,
    ) -> Result<Self, NotScanned> {
        let mut index = Self {
            document: Document::new(bytes),
            security: Security::default(),
            seen: Seen::default(),
            uses: Uses::default(),
            escapes: (None, 0),
            too_large: None,
            special: Vec::new(),
            decodable: bytes.len().saturating_add(1 << 20),
        };
        index.walk(budget)?;
        index.document.sort();
        let mut xref = index.tables(budget)?;
        index.seen = xref.look(&index.document, shift, budget)?;
        if xref.too_large {
            index.lose("more objects in cross-reference tables than are kept", 0);
        }
        for header in index.seen.others.clone() {
            index.meet(header, Again::Yes);
            index.document.purse.settle(budget)?;
        }
        index.document.sort();
        index.security = Security::of(&index.document, &xref.encrypts, &xref.ids, budget)?;
        index.open_packed(budget)?;
        index.document.sort();
        Ok(index)
    }

    fn walk(&mut self, budget: &Budget<'_>) -> Result<(), NotScanned> {
        budget.work(self.document.bytes.len())?;
        let mut frontier = 0;
        for header in Headers::new(self.document.bytes) {
            let again = if header.body < frontier { Again::Yes } else { Again::No };
            frontier = frontier.max(self.meet(header, again));
            self.document.purse.settle(budget)?;
        }
        Ok(())
    }

    /// Notes what an object says; returns where it ends.
    fn meet(&mut self, header: Header, again: Again) -> usize {
        let object = self.document.object(header, again);
        self.document.note(header);
        self.uses.learn(&object.value, Some(Owner::of(header)));
        self.escapes.1 = self.escapes.1.saturating_add(object.escapes.count);
        self.escapes.0 = self.escapes.0.or(object.escapes.first.map(to_u64));
        if object.too_large {
            self.lose("an object with more values or brackets than are kept", header.start);
        }
        let Object { value: Value::Dictionary(dictionary), stream: Some(_), end, .. } = object
        else {
            return object.end;
        };
        let is_special = dictionary.says(b"Type", b"XRef") || dictionary.says(b"Type", b"ObjStm");
        if is_special && self.special.len() < MAX_SPECIAL {
            self.special.push(header);
        } else if is_special {
            self.lose("more object streams than are looked up", header.start);
        }
        end
    }

    fn lose(&mut self, what: &'static str, at: usize) {
        self.too_large.get_or_insert(NotScanned::Damaged { what, offset: to_u64(at) });
    }

    /// Tables, trailers, and the streams that are both.
    fn tables(&mut self, budget: &Budget<'_>) -> Result<Xref<'a>, NotScanned> {
        let mut xref = Xref::tables(&self.document, budget)?;
        let mut ends = Ends::new();
        for header in self.special.clone() {
            let object = self.document.object(header, Again::Yes);
            self.document.purse.settle(budget)?;
            let Value::Dictionary(dictionary) = &object.value else { continue };
            if dictionary.says(b"Type", b"XRef") {
                xref.trailer(dictionary);
                let made = self.content(&object, None, &mut ends, budget);
                xref.stream(dictionary, &made.map(|made| made.bytes).unwrap_or_default());
                budget.go_on()?;
            }
        }
        Ok(xref)
    }

    /// Looks into every object stream.
    fn open_packed(&mut self, budget: &Budget<'_>) -> Result<(), NotScanned> {
        let mut ends = Ends::new();
        for header in std::mem::take(&mut self.special) {
            let object = self.document.object(header, Again::Yes);
            self.document.purse.settle(budget)?;
            let Value::Dictionary(dictionary) = &object.value else { continue };
            let first = dictionary.integer(b"First").and_then(|first| usize::try_from(first).ok());
            let (Some(first), true) = (first, dictionary.says(b"Type", b"ObjStm")) else {
                continue;
            };
            let made = self.content(&object, Some(Owner::of(header)), &mut ends, budget);
            let content = made.map(|made| made.bytes.into_owned()).unwrap_or_default();
            budget.go_on()?;
            let objects = packed_objects(first, &content);
            let uses = &mut self.uses;
            let document = &self.document;
            document.each_packed(&objects, &content, budget, |value| uses.learn(value, None))?;
            self.document.note_packed(content, &objects);
        }
        Ok(())
    }

    /// The likeliest content of a stream that only this index needs.
    fn content(
        &mut self,
        object: &Object<'a>,
        owner: Option<Owner>,
        ends: &mut Ends,
        budget: &Budget<'_>,
    ) -> Option<Made<'a>> {
        let dictionary = object.value.dictionary()?;
        let extent = ends.of(&self.document, dictionary, object.stream?).into_iter().next()?;
        let chain = Chain::all(&self.document, dictionary, Rows::Undo).into_iter().next()?;
        let raw = self.document.bytes.get(extent.start..extent.end)?;
        let Some(left) = self.decodable.checked_sub(raw.len()) else {
            self.lose("object streams that overlap", extent.start);
            return None;
        };
        self.decodable = left;
        budget.work(raw.len()).ok()?;
        let raw = match (&self.security, owner) {
            (Security::Open(handler), Some(owner)) => {
                let method = handler.stream(chain.crypt.as_deref(), Use::Other);
                Cow::Owned(handler.decrypt(raw, method, owner))
            }
            _ => Cow::Borrowed(raw),
        };
        Some(chain.undo(raw, to_u64(extent.start), budget))
    }

    /// What a string says.
    pub(super) fn string(&self, bytes: Vec<u8>, owner: Option<Owner>) -> Vec<u8> {
        match (&self.security, owner) {
            (Security::Open(handler), Some(owner)) => handler.string(&bytes, owner),
            _ => bytes,
        }
    }

    /// The name of the embedded file in an object.
    pub(super) fn name(&self, number: u32) -> Option<Vec<u8>> {
        let name = self.uses.names.get(&number)?;
        Some(super::text::decode(self.string(name.raw.to_vec(), name.owner)))
    }

    /// Whether an object is a script or an embedded file.
    pub(super) fn is_used(&self, number: u32) -> bool {
        self.uses.scripts.contains(&number) || self.uses.names.contains_key(&number)
    }

    /// How a stream is encrypted. None: nobody can know what it says.
    pub(super) fn method(&self, chain: &Chain, dictionary: &Dictionary<'_>) -> Option<Method> {
        let is_identity = chain.crypt.as_deref() == Some(b"Identity");
        match &self.security {
            Security::Absent => Some(Method::Identity),
            _ if is_identity || dictionary.says(b"Type", b"XRef") => Some(Method::Identity),
            Security::Open(handler) => {
                let what = match () {
                    () if dictionary.says(b"Type", b"Metadata") => Use::Metadata,
                    () if dictionary.says(b"Type", b"EmbeddedFile") => Use::EmbeddedFile,
                    () => Use::Other,
                };
                Some(handler.stream(chain.crypt.as_deref(), what))
            }
            Security::Locked(_) => None,
        }
    }
}

impl Uses {
    /// What other objects are for.
    fn learn(&mut self, value: &Value<'_>, owner: Option<Owner>) {
        let Self { names, scripts } = self;
        value.each_dictionary(&mut |dictionary| {
            for script in dictionary.all(b"JS") {
                if let Value::Reference(number) = script
                    && scripts.len() < MAX_NAMES
                {
                    scripts.insert(*number);
                }
            }
            let mut files = dictionary.all(b"EF").filter_map(Value::dictionary).peekable();
            // Read once, however many files have it.
            let name = files.peek().and_then(|_| file_name(dictionary));
            for files in files {
                let Some(raw) = &name else { continue };
                for (_, file) in &files.0 {
                    if let Value::Reference(number) = file
                        && names.len() < MAX_NAMES
                    {
                        names.insert(*number, FileName { raw: Rc::clone(raw), owner });
                    }
                }
            }
        });
    }
}

/// The name in a file specification.
fn file_name(dictionary: &Dictionary<'_>) -> Option<Rc<[u8]>> {
    let keys = [b"UF".as_slice(), b"F", b"Desc"];
    let mut raw = keys.iter().find_map(|key| dictionary.last(key)?.text())?.bytes();
    raw.truncate(MAX_NAME);
    Some(raw.into())
}

impl Owner {
    pub(super) fn of(header: Header) -> Self {
        Self { number: header.number, generation: header.generation }
    }
}

/// Most cross-reference streams and object streams. Writers put some hundred objects into each.
const MAX_SPECIAL: usize = 1 << 16;
/// Scripts, and embedded files, that are known as such.
const MAX_NAMES: usize = 1 << 16;
/// The longest file name, in bytes. File systems allow 255 characters.
const MAX_NAME: usize = 1024;
