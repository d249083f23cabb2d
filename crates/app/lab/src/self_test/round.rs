//! A round: a seed, and what follows from it for every specimen.

use watchglass_checks::plant;
use watchglass_events::Digest;
use watchglass_leak::keywords::MARKINGS;
use watchglass_specimens::Parameters;

use crate::plan::Seeds;

/// A seed, and what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) seed: [u8; 32],
    /// As many files as were asked for, and more where none of those carries a marking.
    pub(crate) bait_files: u32,
    /// What the seed decides about the specimens, with a marking that the bait carries.
    pub(crate) parameters: Parameters,
}

impl Round {
    pub(crate) fn new(campaign: &[u8; 32], number: u32, wanted: u32) -> Self {
        let seed = Digest::of(&[campaign.as_slice(), b"round", &number.to_le_bytes()].concat()).0;
        let bait_seed = Digest(Seeds::from_campaign(&seed).first).to_string();
        let mut bait_files = wanted.max(1);
        let mut marking = marking_in(&bait_seed, bait_files);
        while marking.is_none() && bait_files < MAX_BAIT {
            bait_files *= 2;
            marking = marking_in(&bait_seed, bait_files);
        }
        let mut parameters = Parameters::from_seed(&seed);
        if let Some(marking) = marking {
            marking.clone_into(&mut parameters.marking);
        }
        Self { number, seed, bait_files, parameters }
    }
}

/// The first marking that stands in plain text in the bait of a seed.
fn marking_in(seed: &str, files: u32) -> Option<&'static str> {
    let (_, bait) = plant(seed, files)?;
    bait.files().find_map(|file| {
        let text = String::from_utf8(file.bytes).ok()?;
        let mut phrases = MARKINGS.iter().map(|marking| marking.phrase);
        phrases.find(|phrase| phrase.len() >= MIN_MARKING && text.contains(phrase))
    })
}

/// Bytes of a marking that does not stand in a file by accident.
const MIN_MARKING: usize = 8;
/// Most bait files of a round.
const MAX_BAIT: u32 = 1000;
