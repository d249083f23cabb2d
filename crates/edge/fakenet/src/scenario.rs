//! How the vendor is played: which hosts there are, and what they answer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the vendor is played.
///
/// ```toml
/// default = "nxdomain"
/// [[hosts]]
/// host = "current.cvd.example.net"
/// dns_txt = ["0.103.8:62:27000:1700000000:0:90:49192:334"]
/// [[hosts]]
/// host = "*.example.net"
/// answers = [{ path = "/list*", status = 200, body = "nothing new\n" }]
/// [[hosts]]
/// host = "slow.example.net"
/// fault = { slow = { bytes_per_second = 1000, delay_ms = 500 } }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What the name server says about names that no host here has.
    #[serde(default)]
    pub default: Unknown,
    /// The hosts. An exact name goes before a wildcard, a longer wildcard before a shorter one.
    #[serde(default)]
    pub hosts: Vec<Host>,
}

/// What the name server says about names that the scenario does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// There is no such name.
    Nxdomain,
    /// There is, and it has an address, so that a subject shows what it would have sent there.
    #[default]
    Synthesise,
}

/// A host, or all hosts below a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// `name.example.org`, or `*.example.org` for every name below it. Lower case.
    pub host: String,
    /// Its address; one of the documentation ranges if not given. Not for wildcards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// Texts for TXT questions, each one record of up to 255 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_txt: Vec<String>,
    /// A folder whose files it serves where no answer applies. Absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Answers to HTTP requests; the first that applies is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// An answer to HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which paths, query included: `*` stands for any bytes, also none, also `/`.
    pub path: String,
    /// Which method; any if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The status code.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers beside those about the connection and the length.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as a file of the host's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What is wrong with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Connections are refused. For names below a wildcard they are reset once opened, since their
    /// addresses are not known before.
    Refuse,
    /// Connections are reset after their first bytes.
    Reset,
    /// Answers come late and slowly.
    Slow(Slow),
    /// Every HTTP request gets this status code.
    Status(u16),
    /// The answer to the first bytes is no protocol at all.
    Garbage,
    /// The certificate is for another name.
    WrongCertificate,
    /// Connections are accepted and read, and never answered.
    Silent,
}

/// How slow a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Bytes of an answer for each second; 0 is as fast as it goes.
    pub bytes_per_second: u64,
    /// Milliseconds before the first byte of an answer.
    #[serde(default)]
    pub delay_ms: u64,
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A host is not a name.
    #[error("host `{host}`: want a lower-case name, or `*.` before one")]
    Host {
        /// What it says.
        host: String,
    },
    /// A host stands there twice.
    #[error("host `{host}` is there twice")]
    Twice {
        /// Which host.
        host: String,
    },
    /// A field of a host cannot be used.
    #[error("host `{host}`: {field}: {reason}")]
    Field {
        /// Which host.
        host: String,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Scenario {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let mut seen = std::collections::BTreeSet::new();
        for host in &self.hosts {
            host.check()?;
            if !seen.insert(&host.host) {
                return Err(ScenarioError::Twice { host: host.host.clone() });
            }
        }
        Ok(())
    }

    /// The host that plays `name` (lower case), and its place in [`Scenario::hosts`].
    #[must_use]
    pub fn host(&self, name: &str) -> Option<(usize, &Host)> {
        let specific = |(_, host): &(usize, &Host)| {
            let is_exact = !host.host.starts_with("*.");
            (is_exact, host.host.len())
        };
        let hosts = self.hosts.iter().enumerate();
        hosts.filter(|(_, host)| host.plays(name)).max_by_key(specific)
    }
}

impl Host {
    /// Whether its name covers others.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.host.starts_with("*.")
    }

    fn plays(&self, name: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(below) => name.len() > below.len() && name.ends_with(below),
            None => self.host == name,
        }
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let host = || self.host.clone();
        let wrong = |field, reason| Err(ScenarioError::Field { host: host(), field, reason });
        if !is_host_name(self.host.strip_prefix("*.").unwrap_or(&self.host)) {
            return Err(ScenarioError::Host { host: host() });
        }
        if self.address.is_some() && self.is_wildcard() {
            return wrong("address", "a wildcard has none of its own");
        }
        if self.dns_txt.iter().any(|text| text.len() > 255) {
            return wrong("dns_txt", "over 255 bytes");
        }
        if self.folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            return wrong("folder", "not an absolute path");
        }
        for answer in &self.answers {
            answer.check().or_else(|(field, reason)| wrong(field, reason))?;
            if answer.file.is_some() && self.folder.is_none() {
                return wrong("file", "the host has no folder");
            }
        }
        match self.fault {
            Some(Fault::Status(code)) if !(200..=599).contains(&code) => {
                wrong("fault", "a status code is between 200 and 599")
            }
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// Whether the answer is for this request.
    #[must_use]
    pub fn applies(&self, method: &str, target: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && matches_glob(self.path.as_bytes(), target.as_bytes())
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(200..=599).contains(&self.status) {
            return Err(("status", "a status code is between 200 and 599"));
        }
        if self.body.is_some() && self.file.is_some() {
            return Err(("file", "there is a body already"));
        }
        let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let value = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let good = |(key, text): (&String, &String)| {
            !key.is_empty() && key.bytes().all(name) && text.bytes().all(value)
        };
        if !self.headers.iter().all(good) {
            return Err(("headers", "letters, digits and hyphens; printable ASCII"));
        }
        Ok(())
    }
}

/// Whether `pattern`, in which `*` stands for any bytes, matches all of `text`. Linear in practice:
/// it goes back to the last `*` only.
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
            }
            (Some(wanted), Some(found)) if wanted == found => (p, t) = (p + 1, t + 1),
            (None, None) => return true,
            _ => match star {
                Some((after, from)) if from < text.len() => {
                    star = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
}

fn is_host_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    name.len() <= 253 && name.split('.').all(label)
}

fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Scenario {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn is_read_from_toml() {
        let scenario = read(
            r#"
            default = "nxdomain"
            [[hosts]]
            host = "database.clamav.net"
            dns_txt = ["text"]
            folder = "/srv/database"
            answers = [{ path = "/*.cvd", status = 403 }, { path = "*", body = "yes" }]
            [[hosts]]
            host = "*.example.org"
            fault = { slow = { bytes_per_second = 10 } }
            [[hosts]]
            host = "a.example.org"
            fault = "wrong_certificate"
            [[hosts]]
            host = "b.example.org"
            fault = { status = 429 }
            "#,
        );
        assert_eq!(scenario.check(), Ok(()));
        assert_eq!(scenario.default, Unknown::Nxdomain);
        assert_eq!(scenario.hosts[3].fault, Some(Fault::Status(429)));
        let again: Scenario =
            serde_json::from_str(&serde_json::to_string(&scenario).unwrap()).unwrap();
        assert_eq!(again, scenario);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let text = "[[hosts]]\nhost = \"a.org\"\nfolders = \"/srv\"\n";
        assert!(toml::from_str::<Scenario>(text).unwrap_err().to_string().contains("folders"));
    }

    #[test]
    fn an_exact_host_goes_before_a_wildcard_and_a_longer_one_before_a_shorter_one() {
        let scenario =
            read(r#"hosts = [{ host = "*.org" }, { host = "*.b.org" }, { host = "a.b.org" }]"#);
        let place = |name: &str| scenario.host(name).map(|(place, _)| place);
        assert_eq!(
            [place("a.b.org"), place("x.b.org"), place("b.org")],
            [Some(2), Some(1), Some(0)]
        );
        assert_eq!([place("org"), place("example.com")], [None, None]);
    }

    #[test]
    fn a_scenario_that_cannot_be_played_is_refused() {
        let refused = [
            r#"hosts = [{ host = "UPPER.org" }]"#,
            r#"hosts = [{ host = "a.org" }, { host = "a.org" }]"#,
            r#"hosts = [{ host = "*.org", address = "192.0.2.1" }]"#,
            r#"hosts = [{ host = "a.org", folder = "relative" }]"#,
            r#"hosts = [{ host = "a.org", answers = [{ path = "/", file = "x" }] }]"#,
            r#"hosts = [{ host = "a.org", answers = [{ path = "/", headers = { X = "a\r\nb" } }] }]"#,
            r#"hosts = [{ host = "a.org", answers = [{ path = "/", status = 99 }] }]"#,
        ];
        for text in refused {
            assert!(read(text).check().is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_in_a_path_stands_for_any_bytes() {
        let applies =
            |pattern: &str, target: &str| matches_glob(pattern.as_bytes(), target.as_bytes());
        assert!(applies("/*.cvd", "/a/b.cvd") && applies("*", "") && applies("/a*b*c", "/a-b-b-c"));
        assert!(!applies("/*.cvd", "/a.cvd?x") && !applies("/a", "/ab") && !applies("/ab", "/a"));
        assert!(!applies(&"*a".repeat(50), &"b".repeat(10_000)));
    }
}
