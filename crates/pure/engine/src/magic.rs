//! The table of types, with what a set adds to it (`.ftm`).

use watchglass_database::offset::{Offset as Place, Place as At};
use watchglass_database::{Database, MagicRule};
use watchglass_formats::{Entry, FileType, Kind, Magic, Offset};

/// The standard table, then what a database tells, which counts more where plain bytes fit. ClamAV has
/// the lines of a set alone once there is one.
pub(crate) fn with(database: Option<&Database<'_>>) -> Magic {
    let mut magic = Magic::standard();
    let rules = database.into_iter().flat_map(Database::magic_rules);
    let mut entries = rules.filter_map(|rule| entry(&rule)).peekable();
    if entries.peek().is_some() {
        // The compiler took what the table takes; from a damaged file the rest is left out.
        magic.add(entries);
    }
    magic
}

fn entry(rule: &MagicRule<'_>) -> Option<Entry> {
    let offset = match rule.offset {
        Place::Any => Offset::Any,
        Place::At { place: At::Start(from), max_shift } => Offset::At { from, shift: max_shift },
        Place::At { place: At::End(before), max_shift } => {
            Offset::BeforeEnd { before, shift: max_shift }
        }
        Place::At { .. } => return None,
    };
    let kind = |name| FileType::from_name(std::str::from_utf8(name).ok()?).ok();
    Some(Entry {
        kind: Kind::from_number(rule.kind)?,
        offset,
        bytes: std::str::from_utf8(rule.bytes).ok()?.to_owned(),
        from: kind(rule.from)?,
        to: kind(rule.to)?,
    })
}
