//! Puts a database together.

use thiserror::Error;

use crate::anchors::{self, NewAnchor, TARGETS};
use crate::certificate::Certificate;
use crate::digest::{Algorithm, Digest, HashRole};
use crate::file::{self, SectionKind};
use crate::hashes::{ANY_SIZE, Part};
use crate::icon::Icon;
use crate::magic::MagicRule;
use crate::member::MemberSignature;
use crate::names::{self, le_u32};
use crate::password::Password;
use crate::records::{self, NO_NAME, Record, RecordKind};
use crate::rules::{NewRule, Written};
use crate::signature::SignatureCode;
use crate::{filter, signatures, sizes};

/// Longest name of a signature in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// A database that is being put together. It holds what is added in some 60 bytes each and its name,
/// and as much again while it sorts and writes.
#[derive(Debug, Default)]
pub struct Builder {
    tables: Vec<Table>,
    signatures: Vec<Coded>,
    records: Vec<Record>,
    /// All names in one text: millions of strings of their own would cost as much again.
    text: String,
    /// Where each name ends in the text.
    ends: Vec<usize>,
}

/// A signature that is a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSignature<'a> {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes of what has the digest; `None` for any.
    pub size: Option<u32>,
    /// The name that is reported.
    pub name: &'a str,
}

/// A signature that is more than a digest.
#[derive(Clone, Debug)]
pub struct NewSignature<'a> {
    /// The name that is reported.
    pub name: &'a str,
    /// The number of the files it is meant for, 0 for all.
    pub target: u8,
    /// What it looks for.
    pub code: SignatureCode,
    /// Each file in which it holds has one of these, or begins by one of the heads. With neither it
    /// is looked at in every file.
    pub anchors: Vec<NewAnchor>,
    /// The first two bytes of files.
    pub heads: Vec<[u8; 2]>,
}

/// Why a signature is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The name is empty or too long.
    #[error("name: {found} bytes, 1 to {MAX_NAME_BYTES} are allowed")]
    Name {
        /// Its length.
        found: usize,
    },
    /// There are as many signatures as numbers.
    #[error("more than {} signatures", u32::MAX)]
    Full,
    /// The size stands for any.
    #[error("size: {} is no size of a file that is scanned", ANY_SIZE)]
    Size,
    /// There is no such target.
    #[error("target {found}, there are 0 to {}", TARGETS.saturating_sub(1))]
    Target {
        /// Its number.
        found: u8,
    },
}

/// A signature with its name by number. Sorted as it lies in the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Coded {
    name: u32,
    target: u8,
    code: SignatureCode,
    anchors: Vec<NewAnchor>,
    heads: Vec<[u8; 2]>,
    rule: Option<NewRule>,
}

#[derive(Debug)]
struct Table {
    role: HashRole,
    algorithm: Algorithm,
    rows: Vec<Row>,
}

/// A signature, its name by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    digest: Digest,
    size: u32,
    name: u32,
}

impl Builder {
    /// Adds a signature. What is added twice stands in the database once.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without the signature.
    pub fn add_hash(
        &mut self,
        role: HashRole,
        signature: HashSignature<'_>,
    ) -> Result<(), BuildError> {
        if signature.size == Some(ANY_SIZE) {
            return Err(BuildError::Size);
        }
        let name = self.add_name(signature.name)?;
        let size = signature.size.unwrap_or(ANY_SIZE);
        let row = Row { digest: signature.digest, size, name };
        self.table(role, signature.digest.algorithm()).push(row);
        Ok(())
    }

    /// Adds a signature that is more than a digest. What is added twice stands in the database once.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without the signature.
    pub fn add_signature(&mut self, signature: NewSignature<'_>) -> Result<(), BuildError> {
        self.add_coded(signature, None)
    }

    /// Adds a rule that is to be run where a signature holds. What is added twice stands in the database
    /// once.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without the rule.
    pub fn add_rule(
        &mut self,
        signature: NewSignature<'_>,
        rule: NewRule,
    ) -> Result<(), BuildError> {
        self.add_coded(signature, Some(rule))
    }

    fn add_coded(
        &mut self,
        signature: NewSignature<'_>,
        rule: Option<NewRule>,
    ) -> Result<(), BuildError> {
        let NewSignature { name, target, code, anchors, heads } = signature;
        if target >= TARGETS {
            return Err(BuildError::Target { found: target });
        }
        let name = self.add_name(name)?;
        self.signatures.push(Coded { name, target, code, anchors, heads, rule });
        Ok(())
    }

    /// Adds a signature on what a container says of a member.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without the signature.
    pub fn add_member(
        &mut self,
        name: &str,
        signature: &MemberSignature<'_>,
    ) -> Result<(), BuildError> {
        self.add_record(RecordKind::Member, Some(name), signature.code())
    }

    /// Adds what tells a type of files. Of two that fit, the one that was added later counts.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without it.
    pub fn add_magic(&mut self, rule: &MagicRule<'_>) -> Result<(), BuildError> {
        let order = u32::try_from(self.records.len()).map_err(|_| BuildError::Full)?;
        self.add_record(RecordKind::Magic, None, rule.code(order))
    }

    /// Adds a password.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without it.
    pub fn add_password(&mut self, password: &Password<'_>) -> Result<(), BuildError> {
        self.add_record(RecordKind::Password, None, password.code())
    }

    /// Adds a certificate; one that is blocked has a name that is reported.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without it.
    pub fn add_certificate(
        &mut self,
        name: Option<&str>,
        certificate: &Certificate<'_>,
    ) -> Result<(), BuildError> {
        self.add_record(RecordKind::Certificate, name, certificate.code())
    }

    /// Adds an icon.
    ///
    /// # Errors
    /// [`BuildError`]; the builder goes on without it.
    pub fn add_icon(&mut self, icon: &Icon<'_>) -> Result<(), BuildError> {
        self.add_record(RecordKind::Icon, None, icon.code())
    }

    /// Lets signatures for texts ask for the size of the normal form, not of the file.
    ///
    /// # Errors
    /// None that a builder has now.
    pub fn ask_for_sizes_of_forms(&mut self) -> Result<(), BuildError> {
        self.add_record(RecordKind::FormSizes, None, Vec::new())
    }

    fn add_record(
        &mut self,
        kind: RecordKind,
        name: Option<&str>,
        code: Vec<u8>,
    ) -> Result<(), BuildError> {
        let name = name.map_or(Ok(NO_NAME), |name| self.add_name(name))?;
        self.records.push(Record { kind, name, code });
        Ok(())
    }

    fn add_name(&mut self, name: &str) -> Result<u32, BuildError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(BuildError::Name { found: name.len() });
        }
        let number = u32::try_from(self.ends.len()).map_err(|_| BuildError::Full)?;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        Ok(number)
    }

    fn table(&mut self, role: HashRole, algorithm: Algorithm) -> &mut Vec<Row> {
        let place =
            self.tables.iter().position(|table| (table.role, table.algorithm) == (role, algorithm));
        let place = place.unwrap_or_else(|| {
            self.tables.push(Table { role, algorithm, rows: Vec::new() });
            self.tables.len().saturating_sub(1)
        });
        &mut self.tables.get_mut(place).expect("found or pushed above").rows
    }

    /// The file. The same signatures give the same bytes, in whatever order they were added.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        let (names, numbers) = self.sorted_names();
        for table in &mut self.tables {
            for row in &mut table.rows {
                let number = usize::try_from(row.name).ok().and_then(|name| numbers.get(name));
                row.name = number.copied().unwrap_or(u32::MAX);
            }
            table.rows.sort_unstable();
            table.rows.dedup();
        }
        for signature in &mut self.signatures {
            let number = usize::try_from(signature.name).ok().and_then(|name| numbers.get(name));
            signature.name = number.copied().unwrap_or(u32::MAX);
        }
        self.signatures.sort_unstable();
        self.signatures.dedup();
        for record in &mut self.records {
            let number = usize::try_from(record.name).ok().and_then(|name| numbers.get(name));
            record.name = number.copied().unwrap_or(NO_NAME);
        }
        self.records.sort_unstable();
        self.records.dedup();
        let laid_out = LaidOut::of(&self.signatures);
        let bytes = |kind| match kind {
            SectionKind::Names => names.clone(),
            SectionKind::Signatures => laid_out.rows.clone(),
            SectionKind::Code => laid_out.code.clone(),
            SectionKind::Bitmap(target) => laid_out.bitmap(target),
            SectionKind::Anchors(target) => anchors::build_table(laid_out.anchors(target)),
            SectionKind::Heads(target) => {
                let rows = laid_out.heads.get(usize::from(target));
                signatures::build_heads(rows.map_or(&[], Vec::as_slice))
            }
            SectionKind::RuleRows => laid_out.rules.rows.clone(),
            SectionKind::RuleList => laid_out.rules.list.clone(),
            SectionKind::RulePieces => laid_out.rules.pieces(),
            SectionKind::Records(kind) => records::build(&self.records, kind),
            SectionKind::Untriggered(target) => {
                let ids = laid_out.untriggered.get(usize::from(target));
                ids.into_iter().flatten().flat_map(|id| id.to_le_bytes()).collect()
            }
            SectionKind::Hashes(role, algorithm, part) => {
                let of = |table: &&Table| (table.role, table.algorithm) == (role, algorithm);
                self.tables.iter().find(of).map_or_else(Vec::new, |table| table.part(part))
            }
        };
        file::write(SectionKind::all().map(|kind| (kind, bytes(kind))))
    }

    /// The section of names, and for each name that was added its place in there.
    fn sorted_names(&self) -> (Vec<u8>, Vec<u32>) {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let name = |(from, to)| self.text.get(from..to).unwrap_or_default();
        let names: Vec<&str> = starts.zip(self.ends.iter().copied()).map(name).collect();
        let mut order: Vec<(&str, usize)> = names.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let (mut sorted, mut numbers) = (Vec::new(), vec![u32::MAX; names.len()]);
        for (name, place) in order {
            if sorted.last() != Some(&name) {
                sorted.push(name);
            }
            if let Some(number) = numbers.get_mut(place) {
                *number = u32::from_le_bytes(le_u32(sorted.len().saturating_sub(1)));
            }
        }
        let section = if sorted.is_empty() { Vec::new() } else { names::build(&sorted) };
        (section, numbers)
    }
}

/// Signatures as they lie in the file.
#[derive(Default)]
struct LaidOut<'s> {
    rows: Vec<u8>,
    code: Vec<u8>,
    anchors: [Vec<anchors::Row>; TARGETS as usize],
    heads: [Vec<(u16, u32)>; TARGETS as usize],
    untriggered: [Vec<u32>; TARGETS as usize],
    rules: Written<'s>,
}

impl<'s> LaidOut<'s> {
    fn of(signatures: &'s [Coded]) -> Self {
        let mut laid_out = Self::default();
        for (id, signature) in (0..).zip(signatures) {
            laid_out.add(id, signature);
        }
        laid_out
    }

    fn add(&mut self, id: u32, signature: &'s Coded) {
        let target = usize::from(signature.target);
        let place = u32::from_le_bytes(le_u32(self.code.len()));
        let code = &signature.code.0;
        let length = u32::from_le_bytes(le_u32(code.len()));
        self.rows.extend_from_slice(&signatures::row(signature.name, place, length));
        self.code.extend_from_slice(code);
        if let Some(rows) = self.anchors.get_mut(target) {
            rows.extend(signature.anchors.iter().map(|anchor| anchors::row(anchor, id, place)));
        }
        if let Some(heads) = self.heads.get_mut(target) {
            heads.extend(signature.heads.iter().map(|head| (u16::from_le_bytes(*head), id)));
        }
        if signature.anchors.is_empty()
            && signature.heads.is_empty()
            && let Some(ids) = self.untriggered.get_mut(target)
        {
            ids.push(id);
        }
        if let Some(rule) = &signature.rule {
            let notice = (signature.target, &signature.heads[..]);
            let notice = (signature.anchors.is_empty() && rule.together).then_some(notice);
            self.rules.add(id, rule, notice);
        }
    }

    fn anchors(&self, target: u8) -> &[anchors::Row] {
        self.anchors.get(usize::from(target)).map_or(&[], Vec::as_slice)
    }

    /// Of the target's anchors with those for all files; a target without any has none.
    fn bitmap(&self, target: u8) -> Vec<u8> {
        match (target, self.anchors(target)) {
            (_, []) => Vec::new(),
            (0, own) => anchors::build_bitmap(&[own]),
            (_, own) => anchors::build_bitmap(&[self.anchors(0), own]),
        }
    }
}

impl Table {
    fn part(&self, part: Part) -> Vec<u8> {
        let rows = self.rows.iter();
        match part {
            Part::Keys => rows.flat_map(|row| row.digest.key().to_le_bytes()).collect(),
            Part::Rests => rows.flat_map(|row| row.digest.rest()).copied().collect(),
            Part::Sizes => rows.flat_map(|row| row.size.to_le_bytes()).collect(),
            Part::Names => rows.flat_map(|row| row.name.to_le_bytes()).collect(),
            Part::Filter => filter::build(rows.map(|row| row.digest.hash())),
            Part::SizeSet => {
                sizes::build(rows.map(|row| Some(row.size).filter(|size| *size != ANY_SIZE)))
            }
        }
    }
}
