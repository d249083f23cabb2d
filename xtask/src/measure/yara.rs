//! YARA rules beside plain yara-x: the test that CI runs on a sample, on more files.
//!
//! In the profile of the tests, in which yara-x is built with `opt-level` 1: what is compared is what both
//! find. Times are those of that profile.

use serde_json::{Map, Value};

use crate::place::{Place, output};
use crate::trouble::Trouble;

pub(super) const WHAT: &str = "public YARA rules on 5,000 files: finds equal to plain yara-x (the test fails if not), \
    microseconds of both in the profile of the tests, rules that were run";

/// Half of them files of this machine, half made from rules.
const FILES: &str = "5000";

/// # Errors
/// When the test fails or cannot be built.
pub(super) fn take(place: &Place) -> Result<Value, Trouble> {
    let test = "what_plain_yara_x_finds_is_found";
    let mut cargo = place.cargo(["test", "-p", "watchglass-yara", "--test", "public"]);
    cargo.arg("--target-dir").arg(place.target()).args(["--", "--exact", test, "--nocapture"]);
    cargo.env("WATCHGLASS_TEST_YARA_FILES", FILES).env("WATCHGLASS_STRICT", "1");
    let said = output(&mut cargo)?;
    let said = String::from_utf8_lossy(&said);
    let figure = |line: &str| {
        let (name, number) = line.strip_prefix("figure ")?.split_once(' ')?;
        Some((name.to_owned(), Value::from(number.parse::<u64>().ok()?)))
    };
    Ok(Value::Object(said.lines().filter_map(figure).collect::<Map<_, _>>()))
}
