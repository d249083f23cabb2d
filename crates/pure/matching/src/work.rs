//! How much work a scan may do.

use std::fmt;

use thiserror::Error;

/// Work that is left, and a question whether to stop. One that is shared by all objects of a file
/// bounds the file.
///
/// A step is about a nanosecond to ten: 16 bytes looked at, a comparison, a place tried.
pub struct Work<'a> {
    left: u64,
    /// Steps until the question is asked again.
    unasked: u64,
    stop: &'a dyn Fn() -> bool,
}

/// A scan ended before its end. What was found until then was told; the rest is not scanned.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutOfWork {
    /// The steps were used up.
    #[error("matching took more steps than it may")]
    Steps,
    /// The caller said to stop.
    #[error("matching was stopped")]
    Stopped,
}

/// Steps between two questions: about a millisecond.
const ASK_EVERY: u64 = 1 << 18;
/// Steps that any object may take, and for each of its bytes: clean files take a quarter of a step a
/// byte, the worst of real sets some ten.
const FREE_STEPS: u64 = 1 << 26;
const STEPS_PER_BYTE: u64 = 256;

impl<'a> Work<'a> {
    /// So many steps, unless `stop` says yes before.
    #[must_use]
    pub fn new(steps: u64, stop: &'a dyn Fn() -> bool) -> Self {
        Self { left: steps, unasked: ASK_EVERY, stop }
    }

    /// As much as is enough for an object of so many bytes that is not made to be slow.
    #[must_use]
    pub fn for_size(bytes: u64, stop: &'a dyn Fn() -> bool) -> Self {
        Self::new(bytes.saturating_mul(STEPS_PER_BYTE).saturating_add(FREE_STEPS), stop)
    }

    /// Steps that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes steps.
    #[inline]
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), OutOfWork> {
        self.left = self.left.checked_sub(steps).ok_or(OutOfWork::Steps)?;
        match self.unasked.checked_sub(steps) {
            Some(unasked) => self.unasked = unasked,
            None => return self.ask(),
        }
        Ok(())
    }

    #[cold]
    fn ask(&mut self) -> Result<(), OutOfWork> {
        self.unasked = ASK_EVERY;
        if (self.stop)() { Err(OutOfWork::Stopped) } else { Ok(()) }
    }

    /// Takes as many steps as a number of bytes or places says.
    #[inline]
    pub(crate) fn spend_count(&mut self, count: usize) -> Result<(), OutOfWork> {
        self.spend(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Work").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_with_its_steps_or_when_it_is_told() {
        let mut work = Work::new(10, &|| false);
        assert_eq!(work.spend(10), Ok(()));
        assert_eq!(work.spend(1), Err(OutOfWork::Steps));
        let mut work = Work::new(u64::MAX, &|| true);
        assert_eq!(work.spend(ASK_EVERY), Ok(()));
        assert_eq!(work.spend(1), Err(OutOfWork::Stopped));
    }
}
