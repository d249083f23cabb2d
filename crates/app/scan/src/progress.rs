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
    /// How many files there are, once they were counted.
    total: Option<u64>,
}

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        let now = Instant::now();
        let seen = wanted && io::stderr().is_terminal();
        Self { last: seen.then_some(now), began: now, shown: false, total: None }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        self.last.is_some()
    }

    /// There are so many files.
    pub(crate) fn set_total(&mut self, files: u64) {
        self.total = Some(files);
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
        let line = line(files, self.total, bytes, self.began.elapsed());
        self.shown = write!(io::stderr(), "\r\x1b[K{line}").is_ok();
    }
}

fn line(files: u64, total: Option<u64>, bytes: u64, time: Duration) -> String {
    let milliseconds = time.as_millis().max(1);
    let rate = |of: u64| u128::from(of).saturating_mul(1000) / milliseconds;
    let of = total.filter(|total| *total >= files).map(|total| format!(" of {total}"));
    let left = total.and_then(|total| left(files, total, time));
    format!(
        "{files}{} files, {} MB, {} files/s, {} MB/s{}",
        of.unwrap_or_default(),
        bytes >> 20,
        rate(files),
        rate(bytes) >> 20,
        left.map(|left| format!(", {left} left")).unwrap_or_default(),
    )
}

/// How long it takes if the other files are like those so far. Nothing before there are some, nor when
/// there are more than were counted.
fn left(files: u64, total: u64, time: Duration) -> Option<String> {
    let more = total.checked_sub(files).filter(|_| files >= FEW)?;
    let seconds = u128::from(time.as_secs()).saturating_mul(more.into()) / u128::from(files);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    })
}

/// Files after which the rate says something.
const FEW: u64 = 20;
/// As often as an eye follows.
const EACH: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_a_second() {
        let told = line(100, None, 300 << 20, Duration::from_secs(2));
        assert_eq!(told, "100 files, 300 MB, 50 files/s, 150 MB/s");
        assert_eq!(line(0, None, 0, Duration::ZERO), "0 files, 0 MB, 0 files/s, 0 MB/s");
    }

    #[test]
    fn the_time_left_is_told_once_it_can_be() {
        let check = |files, total, seconds, expected: &str| {
            let told = line(files, Some(total), 0, Duration::from_secs(seconds));
            assert!(told.ends_with(expected), "{told}");
        };
        check(100, 400, 10, "MB/s, 0:30 left");
        check(100, 100_000, 100, "MB/s, 27:45:00 left");
        check(10, 400, 10, "MB/s");
        // Files that came meanwhile.
        check(500, 400, 10, "MB/s");
        assert!(line(100, Some(400), 0, Duration::from_secs(1)).starts_with("100 of 400 files"));
    }
}
