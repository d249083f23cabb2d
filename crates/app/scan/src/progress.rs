//! How far the scan is, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// A line on standard error that is written over and over.
#[derive(Debug)]
pub(crate) struct Progress {
    /// None where nobody would see it.
    last: Option<Instant>,
    began: Instant,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        let now = Instant::now();
        let seen = wanted && io::stderr().is_terminal();
        Self { last: seen.then_some(now), began: now, shown: false }
    }

    /// Takes the line away, so that another can be written there.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Writes the line, when the last one is some time old.
    pub(crate) fn show(&mut self, files: u64, bytes: u64) {
        let Some(last) = &mut self.last else { return };
        if last.elapsed() < EACH {
            return;
        }
        *last = Instant::now();
        let line = line(files, bytes, self.began.elapsed());
        self.shown = write!(io::stderr(), "\r\x1b[K{line}").is_ok();
    }
}

fn line(files: u64, bytes: u64, time: Duration) -> String {
    let milliseconds = time.as_millis().max(1);
    let rate = |of: u64| u128::from(of).saturating_mul(1000) / milliseconds;
    format!(
        "{files} files, {} MB, {} files/s, {} MB/s",
        bytes >> 20,
        rate(files),
        rate(bytes) >> 20
    )
}

/// As often as an eye follows.
const EACH: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_a_second() {
        let told = line(100, 300 << 20, Duration::from_secs(2));
        assert_eq!(told, "100 files, 300 MB, 50 files/s, 150 MB/s");
        assert_eq!(line(0, 0, Duration::ZERO), "0 files, 0 MB, 0 files/s, 0 MB/s");
    }
}
