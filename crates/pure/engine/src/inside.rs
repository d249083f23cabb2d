//! What is inside of an object: members, and what stands in it without being a container's.

use watchglass_formats::pe::Pe;
use watchglass_formats::{FileType, Place};
use watchglass_unpack::{
    Container, ContainerKind, Depth, End, Member, Next, Oddity, Passwords, Role,
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
        self.object(&inner, &refined, depth)
    }

    /// Looks at what stands inside of an object that is no container of it.
    pub(crate) fn places(&mut self, layer: &Layer<'_>, places: &[Place], depth: Depth) -> Flow {
        // The first of each kind of archive gives the members of those that follow it.
        let mut opened: Vec<FileType> = Vec::new();
        for place in places {
            // The descriptors of ISO 9660 stand 32 KiB behind the start of the image.
            let offset = match place.kind {
                FileType::Iso9660 => place.offset.saturating_sub(ISO_DESCRIPTORS),
                _ => place.offset,
            };
            if let Some(bytes) = layer.bytes.get(offset..)
                && !opened.contains(&place.kind)
            {
                if place.kind != FileType::MsExe {
                    opened.push(place.kind);
                }
                self.place(&layer.inner(b"", bytes, place.kind), depth)?;
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

/// Bytes of an ISO 9660 image before its first descriptor (ECMA-119, 6.2.1).
const ISO_DESCRIPTORS: usize = 32 << 10;
