//! What must hold of a file before a signature is looked for, in coded form.
//!
//! A byte of its kind, then: 0 size, 1 entry point, 2 number of sections: the least and the most;
//! 3 what the file lies in, 4 all that it lies in from the outside to the inside, 5 as what it is
//! looked at again: a stretch with the name of a type, for 4 one with a stretch for each; 6 groups of its
//! icon: a stretch for each of two, empty for any; 16 that it is a rule: nothing more.

use crate::code::{Cursor, push_number, push_stretch};

/// One condition. Types of files go by their names, `CL_TYPE_…`.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// The size of the file in bytes, from the first to the second number.
    FileSize(u32, u32),
    /// The place of the entry point in the file.
    EntryPoint(u32, u32),
    /// The number of sections.
    Sections(u32, u32),
    /// What the file lies in.
    Container(&'a [u8]),
    /// What it lies in, from the outside to the inside.
    Intermediates(Types<'a>),
    /// No condition: as what the file is looked at again when the signature is found.
    Handler(&'a [u8]),
    /// The groups that an icon of the program must be of, empty for any.
    Icon([&'a [u8]; 2]),
    /// No condition: what is noticed is a rule, which is to be run.
    Rule,
}

/// Conditions in order; a broken one is given as what never holds.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    code: Cursor<'a>,
}

/// Names of types.
#[derive(Clone, Copy, Debug)]
pub struct Types<'a> {
    code: Cursor<'a>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(code: &'a [u8]) -> Self {
        Self { code: Cursor::new(code) }
    }
}

impl<'a> Iterator for Conditions<'a> {
    type Item = Condition<'a>;

    fn next(&mut self) -> Option<Condition<'a>> {
        if self.code.is_empty() {
            return None;
        }
        let read = Condition::read(&mut self.code);
        if read.is_none() {
            self.code = Cursor::new(&[]);
        }
        Some(read.unwrap_or(Condition::FileSize(1, 0)))
    }
}

impl<'a> Iterator for Types<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.code.stretch()
    }
}

impl<'a> Condition<'a> {
    fn read(code: &mut Cursor<'a>) -> Option<Self> {
        Some(match code.byte()? {
            0 => Self::FileSize(code.number()?, code.number()?),
            1 => Self::EntryPoint(code.number()?, code.number()?),
            2 => Self::Sections(code.number()?, code.number()?),
            3 => Self::Container(code.stretch()?),
            4 => Self::Intermediates(Types { code: Cursor::new(code.stretch()?) }),
            5 => Self::Handler(code.stretch()?),
            6 => Self::Icon([code.stretch()?, code.stretch()?]),
            16 => Self::Rule,
            _ => return None,
        })
    }
}

/// Conditions that are being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionsCode(Vec<u8>);

impl ConditionsCode {
    /// Adds a range of sizes in bytes.
    pub fn push_file_size(&mut self, min: u32, max: u32) {
        self.push_range(0, min, max);
    }

    /// Adds a range of places of the entry point.
    pub fn push_entry_point(&mut self, min: u32, max: u32) {
        self.push_range(1, min, max);
    }

    /// Adds a range of numbers of sections.
    pub fn push_sections(&mut self, min: u32, max: u32) {
        self.push_range(2, min, max);
    }

    /// Adds what the file must lie in.
    pub fn push_container(&mut self, name: &str) {
        self.0.push(3);
        push_stretch(&mut self.0, name.as_bytes());
    }

    /// Adds all that it must lie in, from the outside to the inside.
    pub fn push_intermediates<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let mut all = Vec::new();
        names.for_each(|name| push_stretch(&mut all, name.as_bytes()));
        self.0.push(4);
        push_stretch(&mut self.0, &all);
    }

    /// Adds as what the file is looked at again.
    pub fn push_handler(&mut self, name: &str) {
        self.0.push(5);
        push_stretch(&mut self.0, name.as_bytes());
    }

    /// Adds that it is a rule.
    pub fn push_rule(&mut self) {
        self.0.push(16);
    }

    /// Adds the groups that an icon must be of, empty for any.
    pub fn push_icon(&mut self, groups: [&[u8]; 2]) {
        self.0.push(6);
        groups.iter().for_each(|group| push_stretch(&mut self.0, group));
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn push_range(&mut self, kind: u8, min: u32, max: u32) {
        self.0.push(kind);
        push_number(&mut self.0, min);
        push_number(&mut self.0, max);
    }
}
