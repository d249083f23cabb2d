//! The checks by name: which there are, and which a grade rests on.

use std::collections::BTreeMap;

use watchglass_checks::results::State;

/// Every check that a verdict may carry, in the order of the questions it helps to answer. A policy that
/// requires another one is mistyped.
pub const CHECKS: &[&str] = &[
    "I1", "I2", "I3", "R1", "R3-seen", "N1", "N2", "N3", "N4", "N6", "N7", "T1", "W1", "X1", "V1",
    "R2", "R3-could", "B2", "U1", "U2", "U3", "U4", "W2", "N5", "U5", "U6", "D1", "D2", "B1", "B3",
    "B4", "B5", "C1", "P1", "M1", "M2", "N8",
];

/// The highest grade that these states can bear.
///
/// `watchglass_checks::grade` asks whether all checks that *are there* are kept; this asks whether they
/// are there, so that a verdict does not rise by leaving checks out.
pub(crate) fn highest_grade(checks: &BTreeMap<String, State>) -> u8 {
    let state = |id: &&str| checks.get(*id).copied().unwrap_or(State::NotTested);
    if checks.values().any(|state| *state == State::Broken) {
        0
    } else if !KEPT.iter().all(|id| state(id) == State::Kept) {
        1
    } else if state(&"R3-could") == State::Kept {
        3
    } else {
        2
    }
}

/// What grade 2 rests on: every check of Q0 to Q3 but R3-could, and those of the lab itself that a run
/// can show.
const KEPT: &[&str] = &[
    "I1", "I2", "I3", "R1", "R3-seen", "N1", "N2", "N3", "N4", "N6", "N7", "T1", "W1", "X1", "V1",
    "R2", "B2", "U1", "U2", "U3", "U4", "W2", "M2", "N8",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_bears_no_grade() {
        let all: BTreeMap<_, _> = CHECKS.iter().map(|id| ((*id).to_owned(), State::Kept)).collect();
        assert_eq!(highest_grade(&all), 3);
        assert_eq!(highest_grade(&BTreeMap::new()), 1);
        for id in KEPT {
            assert!(CHECKS.contains(id), "{id}");
            let mut fewer = all.clone();
            fewer.remove(*id);
            assert_eq!(highest_grade(&fewer), 1, "{id}");
        }
        let mut broken = all;
        broken.insert("D1".to_owned(), State::Broken);
        assert_eq!(highest_grade(&broken), 0);
    }
}
