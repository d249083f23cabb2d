//! Passwords of archives, in coded form: a byte of the archives that it is for (0 any, 1 zip, 2 RAR),
//! the password up to the end.

use crate::code::Cursor;
use crate::file::{Database, SectionKind};
use crate::records::{RecordKind, Records};

/// A password to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password<'a> {
    /// The archives that it is for.
    pub archives: Archives,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Archives with passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archives {
    /// All of them.
    Any,
    /// Zip.
    Zip,
    /// RAR.
    Rar,
}

/// The passwords of a database. Broken ones are left out.
#[derive(Clone, Debug)]
pub struct Passwords<'a> {
    records: Records<'a>,
}

impl<'a> Passwords<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        Self { records: Records::new(database.section(SectionKind::Records(RecordKind::Password))) }
    }
}

impl<'a> Iterator for Passwords<'a> {
    type Item = Password<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.find_map(|(_, code)| Password::read(code))
    }
}

impl<'a> Password<'a> {
    fn read(mut code: Cursor<'a>) -> Option<Self> {
        let archives = match code.byte()? {
            0 => Archives::Any,
            1 => Archives::Zip,
            2 => Archives::Rar,
            _ => return None,
        };
        Some(Self { archives, bytes: code.rest() })
    }

    pub(crate) fn code(&self) -> Vec<u8> {
        let archives = match self.archives {
            Archives::Any => 0,
            Archives::Zip => 1,
            Archives::Rar => 2,
        };
        [&[archives], self.bytes].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn what_is_added_is_there_once() {
        let any = Password { archives: Archives::Any, bytes: b"a" };
        let zip = Password { archives: Archives::Zip, bytes: b"" };
        let mut builder = Builder::default();
        [zip, any, any].iter().for_each(|one| builder.add_password(one).unwrap());
        let bytes = builder.build();
        let database = Database::open(&bytes).unwrap();
        assert_eq!(database.passwords().collect::<Vec<_>>(), [any, zip]);
    }
}
