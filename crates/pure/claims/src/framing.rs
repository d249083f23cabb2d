//! What HTTP itself needs, and so takes no claim.

/// Whether a header is part of HTTP's own framing, with a value that HTTP prescribes: it needs no
/// claim. `host` and `port` are those of the contact that was reached.
///
/// Only values that carry nothing count. A `Host` other than the one reached, or a `Connection`
/// with unusual words, is a field like any other and has to be claimed. The length of a body is
/// determined by the body, which is claimed as `body`. The methods GET and HEAD and the version
/// need no claim either; another method is claimed as the field `method`.
#[must_use]
pub fn is_framing(name: &str, value: &[u8], host: &str, port: u16) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    match name.to_ascii_lowercase().as_str() {
        // RFC 9112 §3.2
        "host" => value == host || value == format!("{host}:{port}"),
        // RFC 9112 §9.3 and §9.6
        "connection" => matches!(value, "close" | "keep-alive" | "Close" | "Keep-Alive"),
        // RFC 9110 §8.6, RFC 9112 §7.1
        "content-length" => is_plain_number(value),
        "transfer-encoding" => value == "chunked",
        _ => false,
    }
}

/// A number without leading zeros, which could carry something.
fn is_plain_number(value: &str) -> bool {
    value.parse::<u64>().is_ok_and(|number| number.to_string() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prescribed_values_need_no_claim() {
        let framing = |name, value: &str| is_framing(name, value.as_bytes(), "a.org", 8080);
        assert!(framing("Host", "a.org") && framing("host", "a.org:8080"));
        assert!(framing("Connection", "close") && framing("Content-Length", "12"));
        for (name, value) in [
            ("Host", "b.org"),
            ("Host", "A.org"),
            ("Host", "a.org:80"),
            ("Connection", "cLoSe"),
            ("Connection", "close, x-secret"),
            ("Content-Length", "012"),
            ("Content-Length", "+12"),
            ("User-Agent", "x"),
        ] {
            assert!(!framing(name, value), "{name}: {value}");
        }
        assert!(!is_framing("Host", b"\xff", "a.org", 80));
    }
}
