//! What is inside of an object: members, and what stands in it without being a container's.

use watchglass_formats::pe::Pe;
use watchglass_formats::{FileType, Place};
use watchglass_unpack::{
    Container, ContainerKind, Depth, End, Member, Next, Oddity, Passwords, Reading, Role,
};

use crate::containers::{Opening, encrypted, opening, opening_of};
use crate::heuristic::Heuristic;
use crate::layer::Layer;
use crate::metadata::{Census, Facts};
use crate::report::Reason;
use crate::scan::{Flow, Scan};
use crate::settings::Unpacking;

impl Scan<'_, '_> {
    /// Looks at the members of a container, if it is one.
    pub(crate) fn open(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        match (opening_of(layer.kind, layer.bytes), self.known.settings.unpacking) {
            (Opening::Nothing, _) => {}
            (Opening::NotYet, _) => self.omit(layer, layer.kind, Reason::NotOpened),
            (_, Unpacking::No) => self.omit(layer, layer.kind, Reason::NotUnpacked),
            (Opening::Container(how), Unpacking::Yes) => self.members(layer, how, depth)?,
        }
        Flow::Continue(())
    }

    fn members(&mut self, layer: &Layer<'_>, how: ContainerKind, depth: Depth) -> Flow {
        let passwords = Passwords { zip: &self.known.zip_passwords };
        let mut container = Container::open_with(how, layer.bytes, depth, self.budget, passwords);
        let mut census = Census::of(how);
        loop {
            match (container.next_member(), container.depth_inside()) {
                (Next::Member(member), Some(inside)) => {
                    let facts = census.next(&member);
                    self.member(layer, &member, facts, inside)?;
                }
                (Next::Member(_), None) => {}
                (Next::End(end), _) => {
                    self.end(layer, end);
                    return Flow::Continue(());
                }
            }
        }
    }

    fn end(&mut self, layer: &Layer<'_>, end: End) {
        for reason in end.not_scanned {
            self.refuse(layer, layer.kind, layer.kind, reason);
        }
        let is_escaped = |oddity: &Oddity| matches!(oddity, Oddity::EscapedNames { .. });
        if self.known.settings.alerts.heuristics && end.oddities.iter().any(is_escaped) {
            self.suspect(layer, Heuristic::ObfuscatedPdf);
        }
    }

    /// Looks at a member of a container.
    fn member(
        &mut self,
        around: &Layer<'_>,
        member: &Member<'_>,
        facts: Option<Facts<'_>>,
        depth: Depth,
    ) -> Flow {
        let (kind, refined) = self.known.look(&member.content);
        let inner = around.inner(&member.name, &member.content, kind);
        if let Some(facts) = facts {
            self.metadata(around, &inner, facts)?;
        }
        for reason in &member.not_scanned {
            self.refuse(&inner, kind, around.kind, reason.clone());
        }
        if member.declared.encrypted
            && self.known.settings.alerts.encrypted
            && let Some(heuristic) = encrypted(around.kind)
        {
            // As well where a password opened it.
            self.suspect(&inner, heuristic);
        }
        if self.known.settings.alerts.macros {
            match member.role {
                Role::VbaSource => self.suspect(around, Heuristic::MacrosVba),
                Role::XlmFormulas => self.suspect(around, Heuristic::MacrosXlm),
                _ => {}
            }
        }
        if member.content.is_empty() {
            return Flow::Continue(());
        }
        if !comes_again(around, member) {
            return self.object(&inner, &refined, depth);
        }
        self.once(&inner, depth, |scan| scan.object(&inner, &refined, depth))
    }

    /// Looks at what stands inside of an object that is no container of it.
    pub(crate) fn places(&mut self, layer: &Layer<'_>, places: &[Place], depth: Depth) -> Flow {
        // The first of each kind of archive gives the members of those that follow it.
        let mut opened: Vec<FileType> = Vec::new();
        let in_mail = is_mail(layer.kind) && places.iter().any(|one| one.kind == FileType::Mhtml);
        // Some readers take a line of blanks for the end.
        let is_blank = |line: &[u8]| line.trim_ascii().is_empty();
        let header = in_mail.then(|| end_of_header(layer.bytes, is_blank)).flatten();
        for place in places {
            let offset = match place.kind {
                // The descriptors of ISO 9660 stand 32 KiB behind the start of the image.
                FileType::Iso9660 => place.offset.saturating_sub(ISO_DESCRIPTORS),
                // It is told by the line break before it, which is no empty header.
                FileType::Mhtml => place.offset.saturating_add(1),
                _ => place.offset,
            };
            let is_of_mail = in_mail && place.kind == FileType::Mhtml;
            // In the header of the mail itself stands what was read.
            let is_read = is_of_mail && header.is_some_and(|end| offset < end);
            if let Some(bytes) = layer.bytes.get(offset..)
                && !opened.contains(&place.kind)
                && !(is_read || is_of_mail && !begins_mail(bytes))
            {
                if place.kind != FileType::MsExe {
                    opened.push(place.kind);
                }
                let inner = match is_of_mail {
                    true => layer.rest(bytes),
                    false => layer.inner(b"", bytes, place.kind),
                };
                self.place(&inner, depth)?;
            }
        }
        Flow::Continue(())
    }

    fn place(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        // Letters alone, which every larger program has some of, make none.
        if layer.kind == FileType::MsExe && Pe::parse(layer.bytes).is_err() {
            return Flow::Continue(());
        }
        let paid = self.budget.admit().and_then(|()| self.budget.work(layer.bytes.len()));
        if let Err(reason) = paid {
            self.refuse(layer, layer.kind, layer.kind, reason);
            return Flow::Continue(());
        }
        if layer.kind == FileType::MsExe {
            // Its own places were found with those of what it stands in.
            return self.content_alone(layer, depth);
        }
        match (opening(layer.kind), self.known.settings.unpacking) {
            (Opening::Container(how), Unpacking::Yes) => self.members(layer, how, depth),
            (Opening::Container(_), Unpacking::No) => {
                self.omit(layer, layer.kind, Reason::NotUnpacked);
                Flow::Continue(())
            }
            (Opening::Nothing | Opening::NotYet, _) => {
                self.omit(layer, layer.kind, Reason::NotOpened);
                Flow::Continue(())
            }
        }
    }
}

/// Whether the same bytes may be given more than once: the readers of a mail agree on most of it, and
/// what is inside of a forwarded mail is given beside the mail and in it.
fn comes_again(around: &Layer<'_>, member: &Member<'_>) -> bool {
    is_mail(around.kind) || member.reading != Reading::Agreed
}

fn is_mail(kind: FileType) -> bool {
    matches!(kind, FileType::Mail | FileType::Mhtml)
}

/// Whether this begins with the header of a mail: with its type before the first empty line.
fn begins_mail(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..MAX_HEADER).unwrap_or(bytes);
    let is_empty = |line: &[u8]| matches!(line, b"\n" | b"\r\n");
    let header = end_of_header(bytes, is_empty).and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let is_type =
        |line: &[u8]| line.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE));
    header.split(|byte| *byte == b'\n').any(is_type)
}

/// Where the first line begins that ends a header.
fn end_of_header(bytes: &[u8], is_end: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut at = 0_usize;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if is_end(line) {
            return Some(at);
        }
        at = at.saturating_add(line.len());
    }
    None
}

/// The field that a header of MIME has.
const TYPE: &[u8] = b"Content-Type:";
/// Bytes of a header that are looked at: the two fields that tell it have 1 KiB at most between them.
const MAX_HEADER: usize = 4096;

/// Bytes of an ISO 9660 image before its first descriptor (ECMA-119, 6.2.1).
const ISO_DESCRIPTORS: usize = 32 << 10;
