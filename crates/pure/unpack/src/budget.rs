//! What is left of a scan's limits.

use std::cell::Cell;
use std::fmt;

use crate::limits::Limits;
use crate::reason::{Limit, NotScanned};

/// What the scan of one file may still cost.
///
/// Made once for each scanned file; every container inside of it, at every depth, pays from the same
/// one. Once something was refused for a limit that nested work shares, it is spent: every container
/// ends with that reason.
pub struct Budget<'s> {
    limits: Limits,
    max_ratio_size: u64,
    stop: &'s dyn Fn() -> bool,
    unpacked: Cell<u64>,
    files: Cell<u64>,
    steps: Cell<u64>,
    next_question: Cell<u64>,
    spent: Cell<Option<(Limit, u64)>>,
}

/// How many containers lie around something. Given by [`Budget::outermost`], [`Budget::inside`] and
/// [`crate::Container::depth_inside`] and made by nobody else, so that no caller can forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth(u32);

impl Depth {
    /// Layers, of which the scanned file itself is the first.
    #[must_use]
    pub fn layers(self) -> u32 {
        self.0
    }
}

impl<'s> Budget<'s> {
    /// The whole of `limits`, for a file of `file_size` bytes. `stop` is asked every
    /// [`Budget::STEPS_A_QUESTION`] steps; once it says `true` the scan ends: for deadlines and for
    /// Ctrl-C, which this crate knows nothing of.
    #[must_use]
    pub fn new(limits: Limits, file_size: usize, stop: &'s dyn Fn() -> bool) -> Self {
        let by_ratio = to_u64(file_size).saturating_mul(limits.max_ratio);
        Self {
            limits,
            max_ratio_size: by_ratio.max(Limits::RATIO_FREE),
            stop,
            unpacked: Cell::new(0),
            files: Cell::new(0),
            steps: Cell::new(0),
            next_question: Cell::new(0),
            spent: Cell::new(None),
        }
    }

    /// Steps between two questions to `stop`: 1 MiB of work, some 30 ms of the slowest decoder.
    pub const STEPS_A_QUESTION: u64 = 256;

    /// The depth of the scanned file itself.
    #[must_use]
    pub fn outermost(&self) -> Depth {
        Depth(1)
    }

    /// Bytes unpacked so far.
    #[must_use]
    pub fn unpacked(&self) -> u64 {
        self.unpacked.get()
    }

    /// Members given so far.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.get()
    }

    /// Steps done so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// What ended the scan, if something did.
    #[must_use]
    pub fn spent(&self) -> Option<NotScanned> {
        self.spent.get().map(|(which, limit)| NotScanned::Limit { which, limit })
    }

    /// Pays for one step, and for one more for each 4 KiB of `bytes` read or made.
    ///
    /// # Errors
    /// The limit that was reached, or that the caller wants an end.
    pub fn work(&self, bytes: usize) -> Result<(), NotScanned> {
        self.go_on()?;
        let steps = to_u64(bytes / BYTES_A_STEP).saturating_add(1);
        let done = self.steps.get().saturating_add(steps);
        if done > self.limits.max_steps {
            return Err(self.spend(Limit::Steps, self.limits.max_steps));
        }
        self.steps.set(done);
        if done >= self.next_question.get() {
            self.next_question.set(done.saturating_add(Self::STEPS_A_QUESTION));
            if (self.stop)() {
                return Err(self.spend(Limit::Stopped, done));
            }
        }
        Ok(())
    }

    /// Whether anything may still be done.
    pub(crate) fn go_on(&self) -> Result<(), NotScanned> {
        self.spent().map_or(Ok(()), Err)
    }

    /// Pays for one member.
    ///
    /// # Errors
    /// [`crate::Limits::max_files`] was reached.
    pub fn admit(&self) -> Result<(), NotScanned> {
        let files = self.files.get().saturating_add(1);
        if files > self.limits.max_files {
            return Err(self.spend(Limit::Files, self.limits.max_files));
        }
        self.files.set(files);
        Ok(())
    }

    /// Pays for `bytes` of content, which [`Budget::room`] has allowed.
    pub(crate) fn pay(&self, bytes: usize) {
        self.unpacked.set(self.unpacked.get().saturating_add(to_u64(bytes)));
    }

    /// How many bytes may follow in a member that has `so_far`, all of them paid.
    pub(crate) fn room(&self, so_far: usize) -> Result<usize, NotScanned> {
        let unpacked = self.unpacked.get();
        let file = self.limits.max_file_size.saturating_sub(to_u64(so_far));
        let scan = self.limits.max_scan_size.saturating_sub(unpacked);
        let ratio = self.max_ratio_size.saturating_sub(unpacked);
        let room = file.min(scan).min(ratio);
        if room > 0 {
            return Ok(usize::try_from(room).unwrap_or(usize::MAX));
        }
        Err(if scan == 0 {
            self.spend(Limit::ScanSize, self.limits.max_scan_size)
        } else if ratio == 0 {
            self.spend(Limit::Ratio, self.limits.max_ratio)
        } else {
            NotScanned::Limit { which: Limit::FileSize, limit: self.limits.max_file_size }
        })
    }

    /// Whether `bytes` that are read over, and kept by nobody, may still be made.
    pub(crate) fn pass(&self, bytes: u64) -> Result<(), NotScanned> {
        let limit = self.limits.max_scan_size;
        if bytes > limit {
            return Err(NotScanned::Limit { which: Limit::ScanSize, limit });
        }
        Ok(())
    }

    /// The depth inside of something at `depth`, if one may go there.
    ///
    /// # Errors
    /// [`crate::Limits::max_recursion`] was reached.
    pub fn inside(&self, depth: Depth) -> Result<Depth, NotScanned> {
        let limit = self.limits.max_recursion;
        if depth.0 >= limit {
            return Err(NotScanned::Limit { which: Limit::Recursion, limit: limit.into() });
        }
        Ok(Depth(depth.0.saturating_add(1)))
    }

    fn spend(&self, which: Limit, limit: u64) -> NotScanned {
        self.spent.set(Some((which, limit)));
        NotScanned::Limit { which, limit }
    }
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Budget")
            .field("limits", &self.limits)
            .field("unpacked", &self.unpacked)
            .field("files", &self.files)
            .field("steps", &self.steps)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

/// Lengths as the formats count them.
pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const BYTES_A_STEP: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(which: Limit, limit: u64) -> NotScanned {
        NotScanned::Limit { which, limit }
    }

    #[test]
    fn what_is_spent_stays_spent() {
        let budget = Budget::new(Limits { max_steps: 3, ..Limits::CLAMAV }, 1, &|| false);
        assert_eq!(budget.work(2 * BYTES_A_STEP), Ok(()));
        assert_eq!(budget.work(0), Err(limit(Limit::Steps, 3)));
        assert_eq!(budget.go_on(), Err(limit(Limit::Steps, 3)));
        assert_eq!(budget.steps(), 3);
    }

    #[test]
    fn the_caller_is_asked_every_so_many_steps() {
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let budget = Budget::new(Limits::CLAMAV, 1, &stop);
        let done = (0..10_000).take_while(|_| budget.work(0).is_ok()).count();
        assert_eq!(done as u64, 2 * Budget::STEPS_A_QUESTION);
        assert_eq!(budget.spent(), Some(limit(Limit::Stopped, 2 * Budget::STEPS_A_QUESTION + 1)));
    }

    #[test]
    fn a_member_over_its_size_ends_nothing_else() {
        let limits = Limits { max_file_size: 10, max_scan_size: 15, ..Limits::CLAMAV };
        let budget = Budget::new(limits, 1, &|| false);
        assert_eq!(budget.room(0), Ok(10));
        budget.pay(10);
        assert_eq!(budget.room(10), Err(limit(Limit::FileSize, 10)));
        assert_eq!((budget.go_on(), budget.room(0)), (Ok(()), Ok(5)));
        budget.pay(5);
        assert_eq!(budget.room(5), Err(limit(Limit::ScanSize, 15)));
        assert_eq!(budget.go_on(), Err(limit(Limit::ScanSize, 15)));
    }

    #[test]
    fn the_ratio_counts_from_a_size_on() {
        let budget = Budget::new(Limits { max_ratio: 2, ..Limits::CLAMAV }, 20 << 20, &|| false);
        budget.pay(40 << 20);
        assert_eq!(budget.room(0), Err(limit(Limit::Ratio, 2)));
        let small = Budget::new(Limits { max_ratio: 2, ..Limits::CLAMAV }, 1, &|| false);
        assert_eq!(small.room(0), Ok(32 << 20));
    }

    #[test]
    fn the_scanned_file_is_the_first_layer() {
        let budget = Budget::new(Limits { max_recursion: 2, ..Limits::CLAMAV }, 1, &|| false);
        let inside = budget.inside(budget.outermost()).unwrap();
        assert_eq!(budget.inside(inside), Err(limit(Limit::Recursion, 2)));
    }
}
