//! Passwords that are tried on archives (`.pwdb`).

use watchglass_database::{Archives, Database};

/// Those for zip, then those for any archive: the order of ClamAV.
pub(crate) fn for_zip<'d>(database: Option<&Database<'d>>) -> Vec<&'d [u8]> {
    let of = |wanted: Archives| {
        let all = database.into_iter().flat_map(Database::passwords);
        all.filter(move |one| one.archives == wanted).map(|one| one.bytes)
    };
    of(Archives::Zip).chain(of(Archives::Any)).collect()
}
