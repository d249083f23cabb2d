//! What a scan says.

use std::fmt;
use std::mem::discriminant;

use watchglass_database::NameId;
use watchglass_formats::FileType;
use watchglass_unpack::{Limit, NotScanned};

use crate::heuristic::Heuristic;
use crate::rules::NotRun;

/// What the scan of one file says. What it holds is bounded, whatever the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What the file is.
    pub file_type: FileType,
    /// What was found, in the order in which it was; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    /// What was not looked at; at most [`MAX_OMISSIONS`], and one of each kind at least.
    pub not_scanned: Vec<Omission>,
    /// Omissions beyond those.
    pub more_not_scanned: u64,
    /// Objects looked at, the file and everything inside of it.
    pub objects: u64,
    /// Bytes of their content, unpacked.
    pub bytes: u64,
    /// What it cost of the limits.
    pub cost: Cost,
}

/// What a scan cost, each number of its limit. The same for the same file, settings and database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes unpacked, of [`crate::Limits::max_scan_size`].
    pub unpacked: u64,
    /// Members, of [`crate::Limits::max_files`].
    pub files: u64,
    /// Units of work of unpacking, of [`crate::Limits::max_steps`].
    pub steps: u64,
    /// Steps of matching, of [`MATCHING_STEPS`] for each of [`crate::Limits::max_steps`].
    pub matching: u64,
}

/// Steps of matching for each step of the budget, which is 4 KiB of a slow decoder's work.
pub const MATCHING_STEPS: u64 = 1 << 14;

/// Findings told for one file. What is beyond is counted: the name of a further signature changes
/// nothing for the person who has to act, and the number bounds what a signature set can say
/// towards the outside about one file.
pub const MAX_FINDINGS: usize = 64;

/// Omissions told for one file, for the same person.
pub const MAX_OMISSIONS: usize = 64;

/// Bytes of one name in a [`MemberPath`]; longer ones are cut. The longest of ext4 has 255.
pub const MAX_MEMBER_NAME_BYTES: usize = 255;

/// Something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub detection: Detection,
    /// In which member of the file.
    pub member: MemberPath,
    /// Where in it, in bytes from its start; none where the whole of it counts, or where what matched
    /// is a form that was made of it.
    pub offset: Option<u64>,
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detection {
    /// What a signature of the database names.
    Signature(NameId),
    /// What the engine knows without a database.
    Heuristic(Heuristic),
}

/// Something was not looked at, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// Which member of the file.
    pub member: MemberPath,
    /// What it is.
    pub file_type: FileType,
    /// Why.
    pub reason: Reason,
}

/// Why something was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// What a container said of itself or of a member.
    Container(NotScanned),
    /// A container of a known type that this version does not open.
    NotOpened,
    /// It was not to be opened.
    NotUnpacked,
    /// More things stand inside of it than are looked at.
    Places(u64),
    /// So many scripts of a page were not rewritten to their end.
    Scripts(u64),
    /// So many YARA rules that may hold were not run to their end.
    Rules(u64, NotRun),
}

/// Names of members, from the file inwards; empty for the file itself. Bytes, as the containers have
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemberPath(pub Vec<Box<[u8]>>);

impl Report {
    pub(crate) fn new(file_type: FileType) -> Self {
        Self {
            file_type,
            findings: Vec::new(),
            more_findings: 0,
            not_scanned: Vec::new(),
            more_not_scanned: 0,
            objects: 0,
            bytes: 0,
            cost: Cost::default(),
        }
    }

    /// Whether everything was looked at. Only then is a file without findings clean.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.not_scanned.is_empty()
    }

    /// Tells a finding, once for each member. What is beyond the most that are told is counted; but
    /// what was not told of any member takes the place of something that is told of two.
    pub(crate) fn find(&mut self, finding: Finding) {
        let same =
            |told: &Finding| (told.detection, &told.member) == (finding.detection, &finding.member);
        if self.findings.iter().any(same) {
            return;
        }
        if self.findings.len() >= MAX_FINDINGS {
            self.more_findings = self.more_findings.saturating_add(1);
            let told = |detection: Detection| {
                self.findings.iter().filter(|told| told.detection == detection).count()
            };
            if told(finding.detection) > 0 {
                return;
            }
            let Some(twice) = self.findings.iter().rposition(|last| told(last.detection) > 1)
            else {
                return;
            };
            self.findings.remove(twice);
        }
        self.findings.push(finding);
    }

    /// Tells an omission, once. What is beyond the most that are told is counted; but the first of its
    /// kind takes the place of another of a kind that is told twice, so that no limit goes unnamed.
    pub(crate) fn omit(&mut self, omission: Omission) {
        if self.not_scanned.contains(&omission) {
            return;
        }
        if self.not_scanned.len() >= MAX_OMISSIONS {
            self.more_not_scanned = self.more_not_scanned.saturating_add(1);
            let told = |kind: &Reason| {
                self.not_scanned.iter().filter(|told| told.reason.is_like(kind)).count()
            };
            let is_first = told(&omission.reason) == 0;
            let twice = self.not_scanned.iter().rposition(|last| told(&last.reason) > 1);
            let Some(twice) = twice.filter(|_| is_first) else { return };
            self.not_scanned.remove(twice);
        }
        self.not_scanned.push(omission);
    }
}

impl Reason {
    /// Whether it is of the same kind, whatever the numbers.
    fn is_like(&self, other: &Self) -> bool {
        use NotScanned::Limit;
        match (self, other) {
            (Self::Container(Limit { which: a, .. }), Self::Container(Limit { which: b, .. })) => {
                a == b
            }
            (Self::Container(one), Self::Container(other)) => {
                discriminant(one) == discriminant(other)
            }
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// One word for programs that read it; never changed once it was given.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOpened => "not-supported",
            Self::NotUnpacked => "not-unpacked",
            Self::Places(_) | Self::Scripts(_) => "limit",
            Self::Rules(_, why) => why.code(),
            Self::Container(reason) => match reason {
                NotScanned::Encrypted { .. } => "encrypted",
                NotScanned::UnknownMethod { .. } => "unknown-method",
                NotScanned::NotSupported { .. } => "not-supported",
                NotScanned::Limit { which: Limit::Stopped, .. } => "stopped",
                NotScanned::Limit { .. } => "limit",
                NotScanned::Split { .. } => "split",
                NotScanned::Unexplained { .. } => "unexplained",
                NotScanned::Overlapping { .. } => "overlapping",
                _ => "damaged",
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(reason) => reason.fmt(out),
            Self::NotOpened => out.write_str("this version does not open such files"),
            Self::NotUnpacked => out.write_str("opening files was switched off"),
            Self::Places(count) => write!(out, "{count} more things stand inside of it"),
            Self::Scripts(count) => write!(out, "{count} scripts were not rewritten to their end"),
            Self::Rules(count, why) => write!(out, "{count} YARA rules that may hold {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn omission(number: u64, reason: NotScanned) -> Omission {
        let member = MemberPath(vec![number.to_le_bytes().into()]);
        Omission { member, file_type: FileType::Zip, reason: Reason::Container(reason) }
    }

    #[test]
    fn no_name_is_crowded_out() {
        let mut report = Report::new(FileType::Zip);
        let mut find = |heuristic, member: u64| {
            let member = MemberPath(vec![member.to_le_bytes().into()]);
            report.find(Finding {
                detection: Detection::Heuristic(heuristic),
                member,
                offset: None,
            });
        };
        (0..100).for_each(|member| find(Heuristic::TestFile, member));
        find(Heuristic::BrokenExecutable, 0);
        (0..100).for_each(|member| find(Heuristic::TestFile, 100 + member));
        assert_eq!(report.findings.len(), MAX_FINDINGS);
        let broken = Detection::Heuristic(Heuristic::BrokenExecutable);
        assert_eq!(report.findings.last().map(|last| last.detection), Some(broken));
        assert_eq!(report.more_findings, 201 - MAX_FINDINGS as u64);
    }

    #[test]
    fn no_kind_of_omission_is_crowded_out() {
        let mut report = Report::new(FileType::Zip);
        let damaged = |offset| NotScanned::Damaged { what: "it", offset };
        (0..100).for_each(|number| report.omit(omission(number, damaged(number))));
        let limits = [Limit::Files, Limit::Steps, Limit::Files];
        for (number, which) in limits.into_iter().enumerate() {
            report.omit(omission(number as u64, NotScanned::Limit { which, limit: 1 }));
        }
        let told = |which| {
            let limit = Reason::Container(NotScanned::Limit { which, limit: 1 });
            report.not_scanned.iter().filter(|told| told.reason == limit).count()
        };
        assert_eq!((told(Limit::Files), told(Limit::Steps)), (1, 1));
        assert_eq!((report.not_scanned.len(), report.more_not_scanned), (MAX_OMISSIONS, 39));
    }
}
