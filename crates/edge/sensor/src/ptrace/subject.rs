//! What is remembered about a process and its threads while they live.

use std::collections::{HashSet, VecDeque};

use watchglass_events::{Actor, FileId, Name, Process};
use watchglass_sys::trace::Tracee;

use super::handover::Asked;
use super::observe::Started;
use super::tally::Tallies;

/// A process that is traced.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) process: Process,
    /// How many of its threads live.
    pub(super) threads: usize,
    pub(super) tallies: Tallies,
    pub(super) turns: Turns,
    splices: HashSet<Splice>,
}

/// A thread that is traced.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) actor: Actor,
    /// The call that it is in, when its end is waited for.
    pub(super) call: Option<Started>,
    /// What it asked to run last; it holds until the program has begun.
    pub(super) program: Option<Name>,
    /// Arguments of the call it is in that were changed, with what they were.
    pub(super) led: Vec<(usize, u64)>,
    /// The call that will be made in its stead once it has sent its socket.
    pub(super) asked: Option<Asked>,
    /// It stands at its seccomp stop until it has its turn.
    pub(super) waits: Option<Tracee>,
}

/// Ends of a copy inside of the kernel, and the error it gave.
pub(super) type Splice = (Option<FileId>, Option<FileId>, Option<i32>);

impl Subject {
    pub(super) fn new(process: Process) -> Self {
        let (tallies, turns) = (Tallies::default(), Turns::default());
        Self { process, threads: 0, tallies, turns, splices: HashSet::new() }
    }

    /// Whether these two files were not yet told.
    pub(super) fn is_new_splice(&mut self, splice: Splice) -> bool {
        if self.splices.len() >= MAX_SPLICES {
            self.splices.clear();
        }
        self.splices.insert(splice)
    }
}

/// Who may put a file under a descriptor's number.
///
/// When an open returns, the tracer looks at the descriptor from outside. Meanwhile a second thread
/// could replace it (`dup2`, or `close` and another open), and the record would name a file that
/// was not the one opened. So within a process such calls run one after the other, each until the
/// tracer has looked.
#[derive(Debug, Default)]
pub(super) struct Turns {
    holder: Option<u32>,
    waiting: VecDeque<u32>,
}

impl Turns {
    /// Takes the turn, or queues for it.
    pub(super) fn take(&mut self, tid: u32) -> bool {
        match self.holder {
            Some(holder) if holder != tid => {
                self.waiting.push_back(tid);
                false
            }
            _ => {
                self.holder = Some(tid);
                true
            }
        }
    }

    /// Gives the turn back, and tells who is next; the next one must `take` it.
    pub(super) fn release(&mut self, tid: u32) -> Option<u32> {
        self.waiting.retain(|&waiting| waiting != tid);
        if self.holder != Some(tid) {
            return None;
        }
        self.holder = None;
        self.waiting.pop_front()
    }

    /// The one for whom others wait.
    pub(super) fn awaited(&self) -> Option<u32> {
        self.holder.filter(|_| !self.waiting.is_empty())
    }

    pub(super) fn holds(&self, tid: u32) -> bool {
        self.holder == Some(tid)
    }
}

const MAX_SPLICES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_in_the_order_of_asking() {
        let mut turns = Turns::default();
        assert!(turns.take(1) && !turns.take(2) && !turns.take(3));
        assert_eq!(turns.awaited(), Some(1));
        assert_eq!(turns.release(9), None);
        assert_eq!(turns.release(1), Some(2));
        assert!(turns.take(2));
        assert_eq!(turns.release(3), None);
        assert_eq!((turns.release(2), turns.awaited()), (None, None));
    }
}
