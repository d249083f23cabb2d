//! Things that wait between two threads, and a thread that fills up seldom.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A bounded queue. Who fills it sleeps until it is half empty, so that two threads of one speed do not
/// wake each other for every thing.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    most: usize,
    state: Mutex<State<T>>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    /// A queue of at most `most` things, one at least.
    pub(crate) fn of(most: usize) -> Self {
        let state = State { waiting: VecDeque::new(), is_closed: false };
        let most = most.max(1);
        Self { most, state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new() }
    }

    /// Puts one behind the others, when there is room; `false` once the queue is closed.
    pub(crate) fn push(&self, one: T) -> bool {
        let mut state = self.lock();
        if state.waiting.len() >= self.most {
            let is_full =
                |state: &mut State<T>| !state.is_closed && state.waiting.len() > self.most / 2;
            let waited = self.drained.wait_while(state, is_full);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return false;
        }
        state.waiting.push_back(one);
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Takes the first, waiting for it; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let is_idle = |state: &mut State<T>| !state.is_closed && state.waiting.is_empty();
        let waited = self.filled.wait_while(self.lock(), is_idle);
        self.take(waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the first, if there is one now.
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.take(self.lock())
    }

    /// Nothing comes any more. What waits is still given out.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    fn take(&self, mut state: MutexGuard<'_, State<T>>) -> Option<T> {
        let first = state.waiting.pop_front();
        let is_half_empty = state.waiting.len() == self.most / 2;
        drop(state);
        if is_half_empty {
            self.drained.notify_one();
        }
        first
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order_through_any_room() {
        for most in 0..5 {
            let queue = Queue::of(most);
            let taken = std::thread::scope(|scope| {
                let taker = scope.spawn(|| std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>());
                assert!((0..1000).all(|number| queue.push(number)));
                queue.close();
                taker.join().unwrap()
            });
            assert_eq!(taken, (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_nobody_waits_for_it() {
        let queue = Queue::of(2);
        assert!(queue.push(1) && queue.push(2));
        std::thread::scope(|scope| {
            let full = scope.spawn(|| queue.push(3));
            queue.close();
            assert!(!full.join().unwrap());
        });
        assert_eq!([queue.pop(), queue.try_pop(), queue.pop()], [Some(1), Some(2), None]);
    }
}
