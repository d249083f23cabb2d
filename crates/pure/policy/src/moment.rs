//! Points in time, as policies and evidence give them.

use serde::{Serialize, Serializer};
use thiserror::Error;
use toml::value::{Datetime, Offset};

/// A second of Universal Time between 1970 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// Why a text is no moment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a day such as 2026-11-26, or a time with its offset such as 2026-11-26T12:00:00Z")]
pub struct MomentError;

impl Moment {
    /// Seconds since 1970; what lies after 9999 becomes its last second.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix(self) -> u64 {
        self.0
    }

    /// Reads a day, which stands for its first second, or a time with an offset.
    ///
    /// # Errors
    /// [`MomentError`] for anything else, a time without an offset included.
    pub fn parse(text: &str) -> Result<Self, MomentError> {
        text.parse::<Datetime>().ok().and_then(|datetime| Self::first(&datetime)).ok_or(MomentError)
    }

    /// The first second that a day or time of a file stands for.
    pub(crate) fn first(datetime: &Datetime) -> Option<Self> {
        let date = datetime.date?;
        let days = days_before(date.year.into(), date.month.into(), date.day.into())?;
        let midnight = days.checked_mul(DAY)?;
        let seconds = match (datetime.time, datetime.offset) {
            (None, None) => midnight,
            (Some(time), Some(offset)) => {
                let hours = u64::from(time.hour).checked_mul(3600)?;
                let minutes = u64::from(time.minute).checked_mul(60)?;
                // A leap second is the last one of its minute.
                let second = u64::from(time.second.unwrap_or(0)).min(59);
                let local =
                    midnight.checked_add(hours)?.checked_add(minutes)?.checked_add(second)?;
                let Offset::Custom { minutes } = offset else { return Some(Self(local)) };
                let ahead = i64::from(minutes).checked_mul(60)?;
                local.checked_add_signed(ahead.checked_neg()?)?
            }
            // Whose noon it is, nobody says.
            _ => return None,
        };
        (seconds <= LAST).then_some(Self(seconds))
    }

    /// The last second that a day or time of a file stands for.
    pub(crate) fn last(datetime: &Datetime) -> Option<Self> {
        let first = Self::first(datetime)?;
        let more = if datetime.time.is_none() { DAY.saturating_sub(1) } else { 0 };
        Some(first.after(more))
    }

    /// This moment and some seconds more.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// Some seconds before this moment; not before 1970.
    #[must_use]
    pub fn before(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut days, rest) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970;
        while days >= days_of_year(year) {
            days = days.saturating_sub(days_of_year(year));
            year = year.saturating_add(1);
        }
        let mut month = 1;
        while days >= days_of_month(year, month) {
            days = days.saturating_sub(days_of_month(year, month));
            month = month.saturating_add(1);
        }
        let day = days.saturating_add(1);
        let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Days from 1970-01-01 to a day.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(days_of_year).sum();
    let months: u64 = (1..month).map(|month| days_of_month(year, month)).sum();
    years.checked_add(months)?.checked_add(day)?.checked_sub(1)
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const DAY: u64 = 86_400;

/// 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_date_prints_and_prints_it_again() {
        // From `date --utc --date=@SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_648_468, "2026-11-25T23:14:28Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Moment::parse(text), Ok(Moment(seconds)), "{text}");
            assert_eq!(Moment(seconds).to_string(), text);
        }
    }

    #[test]
    fn an_offset_is_taken_away_and_a_time_without_one_is_refused() {
        let noon = Moment::parse("2026-11-26T12:00:00Z").unwrap();
        assert_eq!(Moment::parse("2026-11-26T14:00:00+02:00"), Ok(noon));
        assert_eq!(Moment::parse("2026-11-26T07:00:00-05:00"), Ok(noon));
        for text in ["2026-11-26T12:00:00", "12:00:00", "1969-12-31", "2026-02-30", "", "now"] {
            assert_eq!(Moment::parse(text), Err(MomentError), "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_its_first_and_ends_at_its_last_second() {
        let day: Datetime = "2026-11-26".parse().unwrap();
        assert_eq!(Moment::first(&day).unwrap().to_string(), "2026-11-26T00:00:00Z");
        assert_eq!(Moment::last(&day).unwrap().to_string(), "2026-11-26T23:59:59Z");
    }
}
