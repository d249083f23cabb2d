//! Whom and what address a claim means.

use std::net::IpAddr;

use crate::product::{Contact, Domain, Host};

impl Host {
    /// Reads a host as a claim names it; `None` where it is no lower-case host name, address,
    /// `*.NAME` or `*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Exact(address.to_canonical().to_string()));
        }
        match text.strip_prefix("*.") {
            Some(parent) => is_host_name(parent).then(|| Self::Below(parent.to_owned())),
            None => is_host_name(text).then(|| Self::Exact(text.to_owned())),
        }
    }

    /// Whether this name or address is meant. Upper and lower case are the same, a dot at the end
    /// of a name is left out, and addresses are compared as numbers.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = canonical_host(name);
        match self {
            Self::Any => true,
            Self::Exact(wanted) => *wanted == name,
            Self::Below(parent) => {
                let child =
                    name.strip_suffix(parent.as_str()).and_then(|rest| rest.strip_suffix('.'));
                name.parse::<IpAddr>().is_err() && child.is_some_and(|child| !child.is_empty())
            }
        }
    }

    /// Whether the claim names more than one host and so says little.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        !matches!(self, Self::Exact(_))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl Contact {
    /// Whether a flow to this host and port is claimed. `udp` is false for TCP.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16, udp: bool) -> bool {
        self.port == port && self.udp == udp && self.host.matches(host)
    }
}

impl Domain {
    /// The claim that covers a flow to this host and port, if any. `udp` is false for TCP.
    #[must_use]
    pub fn contact_for(&self, host: &str, port: u16, udp: bool) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.covers(host, port, udp))
    }

    /// Whether the domain may ask its resolver about this name.
    ///
    /// Reaching a host takes its address, so any contact allows [`Question::Address`] about its
    /// host. Other questions (such as TXT) are claimed as a contact of that name on UDP port 53.
    #[must_use]
    pub fn may_ask(&self, name: &str, question: Question) -> bool {
        self.contacts.iter().any(|contact| {
            let enough = question == Question::Address || is_name_service(contact);
            enough && contact.host.matches(name)
        })
    }
}

/// What a domain asks a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// For an address of the name: types A, AAAA and HTTPS.
    Address,
    /// For anything else.
    Other,
}

/// An address on which a domain may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `unix:/PATH`: a socket in the file system.
    Unix(String),
    /// `unix:@NAME`: a socket in the abstract name space.
    Abstract(String),
    /// `tcp:ADDRESS:PORT` or `udp:ADDRESS:PORT`; IPv6 addresses stand in `[…]`.
    Port {
        /// UDP instead of TCP.
        udp: bool,
        /// The address; `None` for `*`, any.
        address: Option<IpAddr>,
        /// The port.
        port: u16,
    },
}

impl Listen {
    /// Reads an address; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, address) = text.split_once(':')?;
        match kind {
            "unix" => parse_unix(address),
            "tcp" => parse_port(address, false),
            "udp" => parse_port(address, true),
            _ => None,
        }
    }

    /// Whether listening on `seen` is within this claim.
    #[must_use]
    pub fn covers(&self, seen: &Listen) -> bool {
        match (self, seen) {
            (
                Self::Port { udp, address: None, port },
                Self::Port { udp: seen_udp, port: seen_port, .. },
            ) => (udp, port) == (seen_udp, seen_port),
            _ => self == seen,
        }
    }
}

fn parse_unix(address: &str) -> Option<Listen> {
    if let Some(name) = address.strip_prefix('@') {
        return (!name.is_empty() && !name.contains('\0'))
            .then(|| Listen::Abstract(name.to_owned()));
    }
    is_plain_path(address).then(|| Listen::Unix(address.to_owned()))
}

fn parse_port(text: &str, udp: bool) -> Option<Listen> {
    let (address, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let address = match address {
        "*" => None,
        _ => Some(parse_bracketed(address)?),
    };
    Some(Listen::Port { udp, address, port })
}

fn parse_bracketed(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

/// Whether a text is an absolute path in its one canonical spelling, with a file name.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let names = path.strip_prefix('/');
    !path.contains('\0')
        && names.is_some_and(|names| names.split('/').all(|name| !matches!(name, "" | "." | "..")))
}

fn canonical_host(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<IpAddr>()
        .map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_canonical().to_string())
}

/// RFC 1123 §2.1 with the underscore that service names use (RFC 2782); lengths of RFC 1035 §2.3.4.
fn is_host_name(name: &str) -> bool {
    let all_digits = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    name.len() <= 253 && !all_digits && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let fitting = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=63).contains(&label.len())
        && label.bytes().all(fitting)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_name_service(contact: &Contact) -> bool {
    contact.udp && contact.port == NAME_SERVICE_PORT
}

/// DNS, RFC 1035 §4.2.
const NAME_SERVICE_PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_itself_alone() {
        let host = Host::parse("database.clamav.net").expect("a host");
        assert!(host.matches("Database.ClamAV.net."));
        assert!(!host.matches("evil.database.clamav.net"));
        assert!(!host.matches("database.clamav.net.evil.org"));
    }

    #[test]
    fn a_wildcard_means_names_below_it_but_not_itself() {
        let host = Host::parse("*.example.org").expect("a host");
        assert!(host.matches("a.example.org") && host.matches("a.b.example.org"));
        assert!(!host.matches("example.org") && !host.matches("badexample.org"));
        assert!(!host.matches(".example.org"));
    }

    #[test]
    fn addresses_are_compared_as_numbers() {
        let host = Host::parse("2001:DB8::0:1").expect("an address");
        assert!(host.matches("2001:db8::1"));
        assert!(Host::parse("10.0.0.1").expect("an address").matches("::ffff:10.0.0.1"));
        assert_eq!(Host::parse("10.0.0"), None);
        assert_eq!(Host::parse("10.0.0.256"), None);
    }

    #[test]
    fn refuses_what_is_no_host() {
        for text in ["", "*.", "*.*", "a..b", "-a", "a-", "A.org", "a b", "a/b", "https://a", "a:1"]
        {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn text_records_take_a_claim_of_their_own() {
        let contact = |host: &str, port, udp| Contact {
            host: Host::parse(host).expect("a host"),
            port,
            udp,
            purpose: String::new(),
        };
        let domain = Domain {
            contacts: vec![contact("a.org", 443, false), contact("b.org", 53, true)],
            ..Domain::default()
        };
        assert!(domain.may_ask("a.org", Question::Address));
        assert!(!domain.may_ask("a.org", Question::Other));
        assert!(domain.may_ask("B.ORG", Question::Other));
        assert!(!domain.may_ask("secret.b.org", Question::Address));
        assert!(domain.contact_for("a.org", 443, false).is_some());
        assert!(domain.contact_for("a.org", 443, true).is_none());
        assert!(domain.contact_for("a.org", 80, false).is_none());
    }

    #[test]
    fn reads_addresses_to_listen_on() {
        assert_eq!(Listen::parse("unix:/run/x"), Some(Listen::Unix("/run/x".to_owned())));
        assert_eq!(Listen::parse("unix:@x"), Some(Listen::Abstract("x".to_owned())));
        let any = Listen::parse("tcp:*:3310").expect("an address");
        assert!(any.covers(&Listen::parse("tcp:[::1]:3310").expect("an address")));
        assert!(!any.covers(&Listen::parse("udp:127.0.0.1:3310").expect("an address")));
        for text in
            ["unix:run/x", "unix:/run/../x", "unix:@", "tcp:3310", "tcp:::1:1", "tcp:*:0", "x"]
        {
            assert_eq!(Listen::parse(text), None, "{text}");
        }
    }
}
