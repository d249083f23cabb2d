//! Scripts that stand in strings.

use std::collections::{BTreeSet, VecDeque};

use super::index::Index;
use super::security::Owner;
use super::syntax::{Dictionary, Value};
use super::text;
use super::walk::Header;
use crate::budget::{Budget, to_u64};
use crate::member::{Member, Place};
use crate::output::stored;

/// Scripts that were found.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    /// Those that are still to be given.
    pub(super) found: VecDeque<Script>,
    /// Objects that are scripts and were found, so that a thousand references to one give it once.
    known: BTreeSet<u32>,
}

/// A script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: Vec<u8>,
    pub(super) offset: u64,
    pub(super) text: Vec<u8>,
}

impl Scripts {
    /// Looks for scripts in an object, which has or lies in the object of `header`; `owner` has the
    /// key of its strings.
    pub(super) fn find(
        &mut self,
        index: &Index<'_>,
        value: &Value<'_>,
        header: Header,
        owner: Option<Owner>,
    ) {
        value.each_dictionary(&mut |dictionary: &Dictionary<'_>| {
            for script in dictionary.all(b"JS") {
                match script {
                    Value::Text(text) => self.push(index, text.bytes(), header, owner),
                    Value::Reference(number) if self.known.insert(*number) => {
                        for (owner, value) in index.document.objects(*number) {
                            if let Value::Text(text) = value {
                                let header = Header { number: *number, ..header };
                                self.push(index, text.bytes(), header, owner);
                            }
                        }
                    }
                    _ => {}
                }
            }
        });
    }

    fn push(&mut self, index: &Index<'_>, bytes: Vec<u8>, header: Header, owner: Option<Owner>) {
        let text = text::decode(index.string(bytes, owner));
        if !text.is_empty() {
            let (name, offset) = (script_name(header), to_u64(header.start));
            self.found.push_back(Script { name, offset, text });
        }
    }
}

impl Script {
    /// The script as a member.
    pub(super) fn give<'a>(mut self, budget: &Budget<'_>) -> Member<'a> {
        let (kept, reason) = stored(&self.text, budget);
        let kept = kept.len();
        self.text.truncate(kept);
        Member {
            name: self.name.into(),
            place: Place { index: 0, offset: self.offset },
            content: self.text.into(),
            not_scanned: reason.into_iter().collect(),
            ..Member::default()
        }
    }
}

pub(super) fn script_name(header: Header) -> Vec<u8> {
    format!("obj {} {} JavaScript", header.number, header.generation).into_bytes()
}
