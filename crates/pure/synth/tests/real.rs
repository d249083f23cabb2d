//! Files are made for nearly all real signatures, and what stands in them is what was asked for.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "pure crates touch nothing, their tests read files and say what they could not"
)]

use std::collections::BTreeMap;
use std::path::Path;

use watchglass_signatures::{Signature, SignatureSet};
use watchglass_synth::{Dice, make};

const SETS: [&str; 3] = [
    "clamav-official-partial/main.ldb",
    "clamav-official-partial/daily.ndb",
    "ditekshen/clamav/clamav.ldb",
];

#[test]
fn files_are_made_for_nearly_all_real_signatures() {
    let name = "files_are_made_for_nearly_all_real_signatures";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/signatures");
    if !folder.exists() {
        assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "../shared/data is not there");
        eprintln!("skipped: {name}: ../shared/data is not there");
        return;
    }
    let (mut made, mut all, mut reasons) = (0_u32, 0_u32, BTreeMap::new());
    for file in SETS {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let set = SignatureSet::named(file).unwrap();
        for entry in set.entries(&bytes) {
            let Ok(signature) = entry.signature else { continue };
            all += 1;
            let target = match &signature {
                Signature::Logical(logical) => logical.description.target,
                Signature::Body(body) => body.target,
                other => panic!("{other:?}"),
            };
            match make(&signature, &[], None, &mut Dice(entry.line.into())) {
                Ok(_) => made += 1,
                Err(reason) => {
                    let (count, lines) = reasons
                        .entry((reason.to_string(), target))
                        .or_insert_with(|| (0_u32, Vec::new()));
                    *count += 1;
                    lines.extend((lines.len() < 5).then_some((file, entry.line)));
                }
            }
        }
    }
    eprintln!("{made} of {all}: {reasons:#?}");
    assert!(f64::from(made) > f64::from(all) * 0.97, "{made} of {all}");
}
