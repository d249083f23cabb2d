//! Who seems to live in the home.

use watchglass_leak::{Needle, NeedleKind, digests, spellings};

use crate::draw::{Draw, Seed};
use crate::mark::name_mark;
use crate::words::{Vocabulary, capitalised};

/// What tells one machine and its user from all others. Every value but the MAC address carries at
/// least 64 bits; the MAC address has 46 free ones and is searched for with its separators only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Login name, at most 32 bytes.
    pub user: String,
    /// The name as in `/etc/passwd`.
    pub full_name: String,
    /// Host name, one DNS label.
    pub host_name: String,
    /// `/etc/machine-id`: 32 hexadecimal digits.
    pub machine_id: String,
    /// MAC address of the first network card, locally administered, with colons.
    pub mac: String,
    /// Serial number of the disk.
    pub disk_serial: String,
}

impl Identity {
    /// The identity of `seed`.
    #[must_use]
    pub fn generate(seed: &Seed) -> Self {
        let vocabulary = Vocabulary::new(seed);
        let mut draw = Draw::new(seed, &[b"identity"]);
        let (first, last) = (vocabulary.word(&mut draw), vocabulary.word(&mut draw));
        let mac = draw.bytes(5).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        Self {
            user: format!("u{}", name_mark(seed, b"user", 0)),
            full_name: format!(
                "{} {} {}",
                capitalised(first),
                capitalised(last),
                capitalised(&name_mark(seed, b"full name", 0))
            ),
            host_name: format!("ws-{}", name_mark(seed, b"host", 0)),
            machine_id: draw.hex(32),
            mac: format!("02:{}", mac.join(":")),
            disk_serial: name_mark(seed, b"disk", 0).to_uppercase(),
        }
    }

    /// What to search for: each value in its spellings, and its digests, with numbers from `first_id`
    /// on.
    #[must_use]
    pub fn needles(&self, first_id: u32) -> Vec<Needle> {
        let values = [
            ("user name", &self.user),
            ("full name", &self.full_name),
            ("host name", &self.host_name),
            ("machine id", &self.machine_id),
            ("MAC address", &self.mac),
            ("disk serial", &self.disk_serial),
        ];
        let needles = values.into_iter().flat_map(|(name, value)| {
            let spelled = spellings(value.as_bytes()).into_iter();
            let spelled =
                spelled.map(move |value| (NeedleKind::Identifier, value, name.to_owned()));
            let digested = digests(value.as_bytes()).into_iter();
            let digested = digested.map(move |(algorithm, value)| {
                (NeedleKind::Digest, value, format!("{algorithm} of the {name}"))
            });
            spelled.chain(digested)
        });
        let needle =
            |((kind, value, place), id)| Needle { id, kind, value, file: Vec::new(), place };
        needles.zip(first_id..).map(needle).collect()
    }
}

/// What the home is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who lives there.
    pub identity: Identity,
    /// The home folder in the world, without a slash at its end.
    pub home: String,
    /// How many files.
    pub size: Size,
    /// Whether some documents carry classification markings.
    pub markings: bool,
}

impl Profile {
    /// A home of `identity` under `/home`, with markings.
    #[must_use]
    pub fn of(identity: &Identity, size: Size) -> Self {
        let home = format!("/home/{}", identity.user);
        Self { identity: identity.clone(), home, size, markings: true }
    }
}

/// How many files a home has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 120.
    Small,
    /// 400.
    Standard,
    /// So many, but never fewer than a home always has (24).
    Large(u32),
}

impl Size {
    pub(crate) fn files(self) -> u32 {
        match self {
            Self::Small => 120,
            Self::Standard => 400,
            Self::Large(files) => files,
        }
    }
}
