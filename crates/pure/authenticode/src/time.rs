//! Times of certificates, in seconds since 1970.

use crate::der::Der;
use crate::signature::Distrust;

/// The next value, a `UTCTime` or a `GeneralizedTime` in UTC. Seconds may be left out: an authority of
/// time stamps did.
pub(crate) fn read(der: &mut Der<'_>) -> Result<i64, Distrust> {
    let item = der.item("time")?;
    let text = item.content;
    let parsed = match item.tag {
        UTC_TIME => two(text, 0).and_then(|year| {
            let century = if year < 50 { 2000 } else { 1900 };
            seconds(year.saturating_add(century), text.get(2..)?)
        }),
        GENERALIZED_TIME => two(text, 0).and_then(|century| {
            let year = two(text, 2)?.saturating_add(century.saturating_mul(100));
            seconds(year, text.get(4..)?)
        }),
        _ => None,
    };
    parsed.ok_or(Distrust::Malformed("time"))
}

/// Month, day, hour, minute, second.
fn seconds(year: i64, text: &[u8]) -> Option<i64> {
    let [month, day, hour, minute] = [two(text, 0)?, two(text, 2)?, two(text, 4)?, two(text, 6)?];
    let second = match text.get(8..)? {
        b"Z" => 0,
        [_, _, b'Z'] => two(text, 8)?,
        _ => return None,
    };
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !is_time {
        return None;
    }
    // Days from 1970 by the months from March on (H. Hinnant, chrono-compatible low-level date algorithms).
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = month.checked_add(9)?.checked_rem(12)?;
    let days = year
        .checked_mul(365)?
        .checked_add(year.div_euclid(4))?
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?
        .checked_add(month.checked_mul(153)?.checked_add(2)?.div_euclid(5))?
        .checked_add(day)?
        .checked_sub(DAYS_BEFORE_1970)?;
    let minutes = days.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?.checked_add(minute)?;
    minutes.checked_mul(60)?.checked_add(second)
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let digits = text.get(at..)?.first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(10).map(i64::from);
    let [tens, ones] = *digits;
    digit(tens)?.checked_mul(10)?.checked_add(digit(ones)?)
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// From 1 March of the year 0 to 1 January 1970, and one for days that begin with 1.
const DAYS_BEFORE_1970: i64 = 719_469;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tag: u8, text: &str) -> Option<i64> {
        let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
        read(&mut Der::new(&bytes)).ok()
    }

    #[test]
    fn times_of_both_kinds() {
        assert_eq!(of(0x17, "700101000000Z"), Some(0));
        assert_eq!(of(0x17, "000229235959Z"), Some(951_868_799));
        assert_eq!(of(0x17, "261126063314Z"), Some(1_795_674_794));
        assert_eq!(of(0x17, "2611260633Z"), Some(1_795_674_780));
        assert_eq!(of(0x18, "20501231000000Z"), Some(2_556_057_600));
        assert_eq!(of(0x17, "500101000000Z"), Some(-631_152_000));
        for text in ["", "Z", "701301000000Z", "7001010000", "700101240000Z", "70010100000aZ"] {
            assert_eq!(of(0x17, text), None, "{text}");
        }
    }
}
