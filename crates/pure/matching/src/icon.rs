//! Icons of programs, held against those of a database.

use watchglass_database::{Database, Icon};
use watchglass_formats::Facts;
use watchglass_icons::{Metrics, Spot};

use crate::scan::Object;
use crate::work::{OutOfWork, Work};

/// What was measured of the icons of an object, once a signature asked for it.
pub(crate) type Measured = Option<Vec<Metrics>>;

/// Whether an icon of the object looks like one of these groups, of which an empty name is any.
pub(crate) fn is_of(
    groups: [&[u8]; 2],
    database: &Database<'_>,
    object: &Object<'_>,
    measured: &mut Measured,
    work: &mut Work<'_>,
) -> Result<bool, OutOfWork> {
    let Facts::Pe(pe) = object.facts else { return Ok(false) };
    let icons = match measured {
        Some(icons) => icons,
        None => {
            let pictures = pe.icons();
            work.spend_count(pictures.len().saturating_mul(STEPS_AN_ICON))?;
            measured.insert(pictures.into_iter().filter_map(Metrics::of).collect())
        }
    };
    for known in database.icons() {
        work.spend(1)?;
        let is_wanted = |(wanted, of): (&[u8], &[u8])| wanted.is_empty() || wanted == of;
        if !groups.into_iter().zip(known.groups).all(is_wanted) {
            continue;
        }
        let known = metrics(&known);
        work.spend_count(icons.len().saturating_mul(STEPS_A_COMPARISON))?;
        if icons.iter().any(|icon| icon.looks_like(&known)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn metrics(icon: &Icon<'_>) -> Metrics {
    let spot = |[average, x, y]: [u32; 3]| Spot { average, x, y };
    let [color, gray, bright, dark, edge, no_edge] = icon.spots.map(|three| three.map(spot));
    Metrics { side: icon.side, color, gray, bright, dark, edge, no_edge, spread: icon.spread }
}

/// To measure one takes a fifth of a millisecond, to compare two a microsecond.
const STEPS_AN_ICON: usize = 1 << 16;
const STEPS_A_COMPARISON: usize = 1 << 8;
