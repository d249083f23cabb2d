//! One line on standard error that tells what is being done.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const INTERVAL: Duration = Duration::from_millis(500);

/// The line of progress; silent where nobody looks.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Shown,
    began: Instant,
    written: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// A terminal: one line, written over.
    Live,
    /// A file or pipe: a line for each new thing.
    Lines,
    /// Nobody asked.
    Never,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let shown = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Never,
            (false, true) => Shown::Live,
            (false, false) => Shown::Lines,
        };
        Self { shown, began: Instant::now(), written: None }
    }

    /// Something new begins.
    pub(crate) fn say(&mut self, text: &str) {
        let seconds = self.began.elapsed().as_secs();
        match self.shown {
            Shown::Live => eprintln!("\r\x1b[K{seconds:>5} s  {text}"),
            Shown::Lines => eprintln!("{seconds:>5} s  {text}"),
            Shown::Never => {}
        }
    }

    /// Something goes on; written at most twice a second, and on terminals only.
    pub(crate) fn tick(&mut self, text: &dyn Fn() -> String) {
        let due = self.written.is_none_or(|at| at.elapsed() >= INTERVAL);
        if self.shown != Shown::Live || !due {
            return;
        }
        self.written = Some(Instant::now());
        let seconds = self.began.elapsed().as_secs();
        eprint!("\r\x1b[K{seconds:>5} s  {}", text());
        let _ = std::io::stderr().flush();
    }

    /// Leaves a clean line behind.
    pub(crate) fn clear(&mut self) {
        if self.shown == Shown::Live {
            eprint!("\r\x1b[K");
        }
    }
}
