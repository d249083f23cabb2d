//! What a scan does.

use watchglass_unpack::Limits;

/// What a scan does, with the defaults of clamscan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What it may cost, for each file.
    pub limits: Limits,
    /// When it ends.
    pub matches: Matches,
    /// Whether it looks inside of containers.
    pub unpacking: Unpacking,
    /// Which heuristics alert.
    pub alerts: Alerts,
    /// Seconds since 1970. Certificates of programs must be valid then, where nobody signed the time;
    /// without it they are not.
    pub now: Option<i64>,
}

/// When the scan of a file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matches {
    /// With the first signature that matches.
    #[default]
    First,
    /// When all was looked at, clamscan's `--allmatch`.
    All,
}

/// Whether members of containers are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpacking {
    /// They are.
    #[default]
    Yes,
    /// They are not, and each container says so.
    No,
}

/// Heuristics that alert. Those that clamscan has on without a switch are on by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alerts {
    /// `--alert-encrypted`: archives and documents that nobody can look into.
    pub encrypted: bool,
    /// `--alert-broken`: programs that are damaged.
    pub broken_executables: bool,
    /// `--alert-macros`: OLE2 documents with macros.
    pub macros: bool,
    /// `--alert-exceeds-max`: a limit was reached.
    pub limits: bool,
    /// `--heuristic-alerts`: what no honest file has, such as overlapping members of a zip.
    pub heuristics: bool,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            encrypted: false,
            broken_executables: false,
            macros: false,
            limits: false,
            heuristics: true,
        }
    }
}
