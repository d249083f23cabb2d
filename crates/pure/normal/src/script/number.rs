//! Numbers as C reads and prints them.

/// `(int)strtol`: digits beyond 64 bits give all bits set, beyond 32 bits the low ones.
pub(super) fn integer(digits: &[u8]) -> i32 {
    let mut value = 0_i64;
    for digit in digits {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        value = value.saturating_mul(10).saturating_add(digit);
    }
    #[expect(clippy::cast_possible_truncation, reason = "modulo 2³²")]
    let low = value as i32;
    low
}

/// `atof`: the longest beginning that is a number.
pub(super) fn float(text: &[u8]) -> f64 {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from.saturating_add(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
    };
    let mut end = digits(0);
    if text.get(end) == Some(&b'.') {
        end = digits(end.saturating_add(1));
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = end.saturating_add(1);
        let from = sign.saturating_add(usize::from(matches!(text.get(sign), Some(b'+' | b'-'))));
        if digits(from) > from {
            end = digits(from);
        }
    }
    let number = text.get(..end).and_then(|number| str::from_utf8(number).ok());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// `%g`: six digits, none of them a zero at the end.
pub(super) fn general(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "inf".to_owned() };
    }
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5_i32.saturating_sub(exponent)).unwrap_or(0);
        return without_zeros(&format!("{value:.places$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(digits), exponent.unsigned_abs())
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_as_in_c() {
        for (digits, value) in [
            ("0", 0),
            ("007", 7),
            ("2147483647", i32::MAX),
            ("2147483648", i32::MIN),
            ("4294967297", 1),
            ("99999999999999999999999", -1),
        ] {
            assert_eq!(integer(digits.as_bytes()), value, "{digits}");
        }
    }

    #[test]
    fn floats_print_as_in_c() {
        for (text, printed) in [
            ("0.5", "0.5"),
            ("1.", "1"),
            ("0.0", "0"),
            ("3.14159265", "3.14159"),
            ("1234567.8", "1.23457e+06"),
            ("999999.5", "1e+06"),
            ("123456.0", "123456"),
            ("0.0001", "0.0001"),
            ("0.00001234567", "1.23457e-05"),
            ("1.5e300", "1.5e+300"),
            ("1.0e999", "inf"),
            ("1.5e+", "1.5"),
            ("2.5e5e6", "250000"),
        ] {
            assert_eq!(general(float(text.as_bytes())), printed, "{text}");
        }
    }
}
