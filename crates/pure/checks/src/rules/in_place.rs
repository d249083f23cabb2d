//! What an assay without namespaces cannot show, whatever its evidence says.

use watchglass_evidence::WorldKind;

use crate::case::Case;
use crate::results::{CheckResult, State};

/// Checks that need walls of the kernel, with what is missing where there are none.
const LIMITED: &[(&str, &str)] = &[
    ("R3-seen", PATHS),
    ("R3-could", PATHS),
    ("N1", LINK),
    ("N2", LINK),
    ("N3", LINK),
    ("W1", FILES),
    ("T1", FILES),
];
const PATHS: &str = "in place the product is among other processes of its user, and what passes \
                     between them and it is not recorded";
const LINK: &str = "in place there is no link to capture, so one source alone says what was sent";
const FILES: &str = "in place only a scratch folder is compared, and not the whole disk";

/// Turns *kept* into *inconclusive* where the campaign had no world to show it in. What is broken
/// stays broken.
pub(super) fn limit(case: &Case, result: &mut CheckResult) {
    if case.campaign.world != WorldKind::InPlace {
        return;
    }
    let Some((_, why)) = LIMITED.iter().find(|(id, _)| *id == result.id) else { return };
    let reason = format!("It was tried without namespaces: {why}.");
    match result.state {
        State::Kept => {
            result.state = State::Inconclusive;
            result.reason = format!("{reason} {}", result.reason);
        }
        // Its own reason would speak of a link, or of walls, that there never were.
        State::Inconclusive => result.reason = reason,
        State::Broken | State::NotTested => return,
    }
    result.blind.push(format!("For {}: {why}.", result.id));
}
