//! What differs from one seed to the next, so that no lab can learn a specimen by heart.

use sha2::{Digest as _, Sha256};

use crate::document::Pick;

/// Everything about a specimen that a seed decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The maker's domain; updates come from `updates.` below it.
    pub host: String,
    /// First label of the host that what was taken goes to, below `host`.
    pub collector: String,
    /// Port of the collector.
    pub port: u16,
    /// Path of an upload over HTTP.
    pub path: String,
    /// Which of the documents it meets a specimen takes.
    pub pick: Pick,
    /// How bytes become text.
    pub encoding: Encoding,
    /// Name of a header that carries something.
    pub header: String,
    /// How long a late misdeed waits: 48 to 59 hours.
    pub delay_hours: u32,
    /// Base name of a file that is left in the state folder.
    pub state_name: String,
    /// The phrase that a keyword search looks for. Set it to one that the bait carries.
    pub marking: String,
    /// Who sends for a specimen that has others send.
    pub carrier: Carrier,
    /// 32 hexadecimal digits that stand in `/etc/watchglass-world` of the lab's world and in
    /// `/etc/specimen.conf`.
    pub token: String,
}

/// How bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648 §4.
    Base64,
    /// RFC 4648 §5.
    Base64Url,
    /// Lower-case hexadecimal digits.
    Hex,
}

/// Who sends for a specimen that has others send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `curl` where it is installed, else the helper.
    Curl,
    /// The product's own `specimen-helper`.
    Helper,
}

impl Parameters {
    /// The parameters of a seed, always the same.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let draw = Draw { seed };
        let first = draw.one_of("host", WORDS);
        let number = draw.number("host number", 900) + 100;
        Self {
            host: format!("{first}-{number}.example"),
            collector: format!("{}-{}", draw.one_of("collector", WORDS), draw.hex::<2>("label")),
            port: u16::try_from(draw.number("port", 20_000)).unwrap_or(0) + 20_000,
            path: format!("/{}/{}", draw.one_of("path", WORDS), draw.hex::<3>("path end")),
            pick: Pick(draw.bytes("pick")),
            encoding: draw.one_of("encoding", ENCODINGS),
            header: format!("X-{}", draw.one_of("header", HEADERS)),
            delay_hours: 48 + draw.number("delay", 12),
            state_name: format!("{}-{}", draw.one_of("state", WORDS), draw.hex::<2>("state end")),
            marking: draw.one_of("marking", MARKINGS).to_owned(),
            carrier: draw.one_of("carrier", &[Carrier::Curl, Carrier::Helper]),
            token: draw.hex::<16>("token"),
        }
    }

    /// Where updates come from.
    #[must_use]
    pub fn update_host(&self) -> String {
        format!("updates.{}", self.host)
    }

    /// Where what was taken goes.
    #[must_use]
    pub fn collector_host(&self) -> String {
        format!("{}.{}", self.collector, self.host)
    }
}

impl std::fmt::Display for Parameters {
    /// One line for the log of a self-test; everything in it follows from the seed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "updates from {}, collector {}:{}{}, encoding {}, header {}, delay {} h, state file {}, \
             marking {:?}, carrier {}, pick {}",
            self.update_host(),
            self.collector_host(),
            self.port,
            self.path,
            self.encoding.name(),
            self.header,
            self.delay_hours,
            self.state_name,
            self.marking,
            self.carrier.name(),
            data_encoding::HEXLOWER.encode(&self.pick.0),
        )
    }
}

impl Encoding {
    /// Writes bytes as text.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => data_encoding::BASE64.encode(bytes),
            Self::Base64Url => data_encoding::BASE64URL.encode(bytes),
            Self::Hex => data_encoding::HEXLOWER.encode(bytes),
        }
    }

    /// The word of the configuration file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Hex => "hex",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        ENCODINGS.iter().copied().find(|encoding| encoding.name() == text)
    }
}

impl Carrier {
    /// The word of the configuration file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Helper => "helper",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Curl, Self::Helper].into_iter().find(|carrier| carrier.name() == text)
    }
}

/// Draws from a seed; each thing has a label, so that a new one changes no other.
struct Draw<'a> {
    seed: &'a [u8; 32],
}

impl Draw<'_> {
    fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        let digest = Sha256::new().chain_update(self.seed).chain_update(label).finalize();
        std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0))
    }

    /// From 0 to `below` - 1; the modulo's bias over 2³² does not matter here.
    fn number(&self, label: &str, below: u32) -> u32 {
        u32::from_le_bytes(self.bytes(label)) % below
    }

    fn one_of<T: Copy>(&self, label: &str, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        choices[usize::try_from(self.number(label, count)).unwrap_or(0)]
    }

    fn hex<const N: usize>(&self, label: &str) -> String {
        data_encoding::HEXLOWER.encode(&self.bytes::<N>(label))
    }
}

const ENCODINGS: &[Encoding] = &[Encoding::Base64, Encoding::Base64Url, Encoding::Hex];

/// Words without a meaning, so that no list of bad hosts knows them.
const WORDS: &[&str] = &[
    "bralin", "cowest", "dunvar", "ekloma", "farnit", "gelsow", "harvum", "istrel", "jorvik",
    "kelpan", "lumora", "mestin", "norvel", "ostram", "pelund", "quarin",
];

const HEADERS: &[&str] = &["Session", "Request-Id", "Trace", "Correlation-Id", "Edition"];

/// Phrases that the lab's bait carries.
const MARKINGS: &[&str] = &["TOP SECRET", "OFFICIAL-SENSITIVE", "STRENG GEHEIM", "SECRET//NOFORN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_parameters_each_time_and_another_seed_others() {
        let first = Parameters::from_seed(&[1; 32]);
        assert_eq!(first, Parameters::from_seed(&[1; 32]));
        assert_eq!(first.to_string(), Parameters::from_seed(&[1; 32]).to_string());
        let second = Parameters::from_seed(&[2; 32]);
        assert_ne!(first.token, second.token);
        assert_ne!(first.pick, second.pick);
        assert_ne!(first.collector_host(), second.collector_host());
    }

    #[test]
    fn every_choice_is_drawn_by_some_seed_and_every_bound_holds() {
        let all: Vec<_> = (0..=255).map(|byte| Parameters::from_seed(&[byte; 32])).collect();
        for &encoding in ENCODINGS {
            assert!(all.iter().any(|one| one.encoding == encoding), "{encoding:?}");
        }
        assert!(all.iter().all(|one| (48..60).contains(&one.delay_hours)));
        assert!(all.iter().all(|one| (20_000..40_000).contains(&one.port)));
        assert!(all.iter().any(|one| one.carrier == Carrier::Curl));
        assert!(all.iter().any(|one| one.carrier == Carrier::Helper));
    }
}
