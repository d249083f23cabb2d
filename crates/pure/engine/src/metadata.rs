//! What a container says of a member, held against the signatures on it (`.cdb`).
//!
//! Which members ClamAV 1.4.6 asks of, and what it takes for their sizes and numbers, was asked by
//! experiment:
//!
//! | Container | Members | Size in container | Number |
//! |---|---|---|---|
//! | zip, RAR | all | declared | from 1 |
//! | tar | files | that of the member | files from 1 |
//! | cpio | files that are not empty | that of the member | all from 1 |
//! | 7z, cab, chm | all | 0 | all from 0 |
//! | ISO 9660 | all | that of the member | 0 |
//! | mail | parts, with `attachment` for no name | that of the part, decoded | 0 |
//!
//! ClamAV ends the last line of a text of a mail, so its size is one byte more there than here.

use std::ops::RangeInclusive;

use watchglass_database::MemberSignature;
use watchglass_unpack::{ContainerKind, Limit, Member, NotScanned, Role};

use crate::layer::Layer;
use crate::report::Detection;
use crate::scan::{Flow, Scan};

/// Counts the members of a container as ClamAV does.
#[derive(Debug)]
pub(crate) struct Census {
    how: ContainerKind,
    counted: u64,
    /// Where the member before stands: the readings of one member are one.
    before: Option<u64>,
}

/// What a container says of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'m> {
    name: &'m [u8],
    size_in_container: u64,
    real_size: u64,
    is_encrypted: bool,
    position: u64,
}

impl Census {
    pub(crate) fn of(how: ContainerKind) -> Self {
        Self { how, counted: 0, before: None }
    }

    /// What is asked of the next member; nothing where nothing is.
    pub(crate) fn next<'m>(&mut self, member: &'m Member<'_>) -> Option<Facts<'m>> {
        use ContainerKind as Kind;
        let size = u64::try_from(member.content.len()).unwrap_or(u64::MAX);
        let real_size = member.declared.unpacked.unwrap_or(size);
        let is_asked = match self.how {
            Kind::Zip | Kind::Rar | Kind::SevenZip | Kind::Cab | Kind::Chm | Kind::Iso9660 => true,
            Kind::Mail | Kind::Mhtml | Kind::Tnef | Kind::Uuencoded => true,
            Kind::Tar => member.role != Role::NoFile,
            Kind::Cpio => real_size > 0,
            _ => return None,
        };
        if self.is_new(member, is_asked) {
            self.counted = self.counted.saturating_add(1);
        }
        let (size_in_container, real_size, position) = match self.how {
            Kind::Zip | Kind::Rar => (member.declared.packed.unwrap_or(0), real_size, self.counted),
            Kind::SevenZip | Kind::Cab | Kind::Chm => {
                (0, real_size, self.counted.saturating_sub(1))
            }
            Kind::Iso9660 => (real_size, real_size, 0),
            Kind::Tar | Kind::Cpio => (real_size, real_size, self.counted),
            _ => (size, size, 0),
        };
        let is_encrypted = |reason: &NotScanned| matches!(reason, NotScanned::Encrypted { .. });
        is_asked.then(|| Facts {
            name: self.name(member),
            size_in_container,
            real_size,
            is_encrypted: member.declared.encrypted || member.not_scanned.iter().any(is_encrypted),
            position,
        })
    }

    fn is_new(&mut self, member: &Member<'_>, is_asked: bool) -> bool {
        match self.how {
            ContainerKind::Zip => {
                self.before.replace(member.place.offset) != Some(member.place.offset)
            }
            ContainerKind::Tar => is_asked,
            _ => true,
        }
    }

    /// The name as a text of C, which ends with a zero.
    fn name<'m>(&self, member: &'m Member<'_>) -> &'m [u8] {
        match (self.how, &*member.name) {
            (ContainerKind::Mail | ContainerKind::Mhtml, b"") => b"attachment",
            (_, name) => name.split(|byte| *byte == 0).next().unwrap_or_default(),
        }
    }
}

impl Scan<'_, '_> {
    /// Tells the signatures on what a container says of a member: found in the container, whatever the
    /// member holds.
    pub(crate) fn metadata(
        &mut self,
        around: &Layer<'_>,
        inner: &Layer<'_>,
        facts: Facts<'_>,
    ) -> Flow {
        let Some(database) = self.known.database else { return Flow::Continue(()) };
        for (name, signature) in database.members() {
            if !self.holds(around, &signature, facts) {
                continue;
            }
            if !self.is_allowed(around) {
                self.tell(inner, Detection::Signature(name), None)?;
            }
        }
        Flow::Continue(())
    }

    fn holds(&mut self, around: &Layer<'_>, of: &MemberSignature<'_>, facts: Facts<'_>) -> bool {
        let kind = around.kind.name().as_bytes();
        of.container_type.is_none_or(|wanted| wanted == kind)
            && of.encrypted.is_none_or(|wanted| wanted == facts.is_encrypted)
            && is_in(of.container_size.as_ref(), around.size())
            && is_in(of.size_in_container.as_ref(), facts.size_in_container)
            && is_in(of.real_size.as_ref(), facts.real_size)
            && is_in(of.position.as_ref(), facts.position)
            && self.has_name(around, of, facts)
    }

    fn has_name(&mut self, around: &Layer<'_>, of: &MemberSignature<'_>, facts: Facts<'_>) -> bool {
        let Some(wanted) = of.file_name else { return true };
        let (scratch, work) = (&mut self.memory.scratch, &mut self.work);
        match scratch.stands_in(wanted.pattern, wanted.caseless, facts.name, work) {
            Ok(Some(stands)) => stands,
            Ok(None) => {
                self.refuse_for_work(around, Limit::Steps);
                false
            }
            Err(ended) => {
                self.refuse_for_end(around, ended);
                false
            }
        }
    }
}

fn is_in(range: Option<&RangeInclusive<u32>>, number: u64) -> bool {
    range
        .is_none_or(|range| (u64::from(*range.start())..=u64::from(*range.end())).contains(&number))
}
