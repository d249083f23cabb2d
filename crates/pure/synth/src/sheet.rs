//! Bytes of a file of which some are settled and the others may still be written.

use crate::{Dice, Palette};

/// A file that is being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    bytes: Vec<u8>,
    settled: Vec<bool>,
}

impl Sheet {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes it so long, with bytes that may still be written.
    pub(crate) fn grow(&mut self, length: usize, palette: Palette, dice: &mut Dice) {
        let missing = length.saturating_sub(self.bytes.len());
        self.bytes.extend(dice.filler(missing, palette));
        self.settled.resize(self.bytes.len(), false);
    }

    /// Whether `bytes` may stand at `start`: what is settled there is the same.
    pub(crate) fn takes(&self, start: usize, bytes: &[u8]) -> bool {
        let is = self.bytes.iter().zip(&self.settled).skip(start).zip(bytes);
        is.into_iter().all(|((here, settled), wanted)| !settled || here == wanted)
    }

    /// Whether nothing is settled there.
    pub(crate) fn is_free(&self, start: usize, length: usize) -> bool {
        !self.settled.iter().skip(start).take(length).any(|settled| *settled)
    }

    /// Writes and settles, longer than it was if need be.
    pub(crate) fn write(&mut self, start: usize, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len()).max(self.bytes.len());
        self.bytes.resize(end, 0);
        self.settled.resize(end, false);
        let places = self.bytes.iter_mut().zip(&mut self.settled).skip(start).zip(bytes);
        for ((here, settled), byte) in places {
            (*here, *settled) = (*byte, true);
        }
    }

    /// Writes what need not stay.
    pub(crate) fn suggest(&mut self, start: usize, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len()).max(self.bytes.len());
        self.bytes.resize(end, 0);
        self.settled.resize(end, false);
        let places = self.bytes.iter_mut().skip(start).zip(bytes);
        places.for_each(|(here, byte)| *here = *byte);
    }
}
