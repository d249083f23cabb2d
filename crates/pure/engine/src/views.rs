//! The views of an object: its bytes, and the forms that are made of them.
//!
//! Which view is looked at with the signatures of which target is the table of `watchglass_normal`.

use watchglass_database::{Database, HashRole};
use watchglass_formats::{Facts, FileType};
use watchglass_matching::{Hit, Matcher, Object, OutOfWork};
use watchglass_normal::{Limits, OverLimit, html, text};
use watchglass_unpack::{Depth, Limit, NotScanned};

use crate::digests::digest;
use crate::engine::Memory;
use crate::layer::Layer;
use crate::report::{Detection, Reason};
use crate::scan::{Flow, Scan};
use crate::settings::Matches;

/// Bytes that are looked at as one.
#[derive(Clone, Copy)]
struct View<'v> {
    bytes: &'v [u8],
    target: u8,
    /// The size that conditions ask for.
    file_size: u64,
    /// Whether places in it are places in the object.
    is_object: bool,
}

impl Scan<'_, '_> {
    /// Looks for what signatures say of the bytes themselves.
    pub(crate) fn views(&mut self, layer: &Layer<'_>, facts: &Facts<'_>, depth: Depth) -> Flow {
        if self.known.database.is_none() {
            return Flow::Continue(());
        }
        match layer.kind {
            FileType::Html => self.page(layer, layer.bytes, depth),
            FileType::HtmlUtf16 => {
                self.view(layer, facts, View::of(layer, GENERIC), depth)?;
                let mut bytes = std::mem::take(&mut self.memory.forms.narrowed);
                html::from_utf16(layer.bytes, &mut bytes);
                let flow = self.page(layer, &bytes, depth);
                self.memory.forms.narrowed = bytes;
                flow
            }
            FileType::TextAscii
            | FileType::TextUtf8
            | FileType::TextUtf16Le
            | FileType::TextUtf16Be
            | FileType::Script => self.text(layer, facts, depth),
            kind => {
                let view = View::of(layer, kind.target().unwrap_or(GENERIC));
                self.view(layer, facts, view, depth)
            }
        }
    }

    /// Looks at the bytes of a page as what they were taken for until a tag stood somewhere in them.
    pub(crate) fn as_it_began(&mut self, layer: &Layer<'_>, depth: Depth) -> Flow {
        let target = self.known.type_of_beginning(layer.bytes).target();
        let target = target.filter(|target| *target != TEXT).unwrap_or(GENERIC);
        self.view(layer, &Facts::Unknown, View::of(layer, target), depth)
    }

    fn text(&mut self, layer: &Layer<'_>, facts: &Facts<'_>, depth: Depth) -> Flow {
        let mut form = std::mem::take(&mut self.memory.forms.text);
        let flow = match text::normalise(layer.bytes, &FORMS, &mut form) {
            // One look serves for both.
            Ok(text::Form::Same) => self.view(layer, facts, View::of(layer, TEXT), depth),
            Ok(text::Form::Changed) => {
                // As clamscan has it: one signature that counts from the end decides for all.
                let of_form = self.known.database.is_some_and(Database::asks_for_sizes_of_forms);
                let form_size = u64::try_from(form.len()).unwrap_or(u64::MAX);
                let size = if of_form { form_size } else { layer.size() };
                let view = View { bytes: &form, target: TEXT, ..View::form(&[], size) };
                match self.view(layer, facts, View::of(layer, GENERIC), depth) {
                    Flow::Continue(()) => self.view(layer, facts, view, depth),
                    Flow::Break(()) => Flow::Break(()),
                }
            }
            Err(over) => {
                self.refuse_form(layer, over);
                self.view(layer, facts, View::of(layer, GENERIC), depth)
            }
        };
        self.memory.forms.text = form;
        flow
    }

    fn page(&mut self, layer: &Layer<'_>, bytes: &[u8], depth: Depth) -> Flow {
        let mut pages = std::mem::take(&mut self.memory.forms.pages);
        let flow = match html::normalise(bytes, &FORMS, &mut pages) {
            Ok(report) => {
                self.tell_of_page(layer, &report);
                self.page_forms(layer, &pages, depth)
            }
            Err(over) => {
                self.refuse_form(layer, over);
                self.view(layer, &Facts::Unknown, View::of(layer, HTML), depth)
            }
        };
        self.memory.forms.pages = pages;
        flow
    }

    fn page_forms(&mut self, layer: &Layer<'_>, pages: &html::Pages, depth: Depth) -> Flow {
        let forms = [
            (&pages.no_comment, HTML),
            (&pages.no_tags, HTML),
            (&pages.script, HTML),
            (&pages.script, TEXT),
        ];
        for (bytes, target) in forms.into_iter().filter(|(bytes, _)| !bytes.is_empty()) {
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.names(layer, HashRole::File, size, None, |one| digest(bytes, one))?;
            let view = View { target, ..View::form(bytes, size) };
            self.view(layer, &Facts::Unknown, view, depth)?;
        }
        for data in &pages.data {
            self.data(layer, data, depth)?;
        }
        Flow::Continue(())
    }

    /// What an address of a page holds.
    fn data(&mut self, layer: &Layer<'_>, data: &[u8], depth: Depth) -> Flow {
        let inside = self.budget.admit().and_then(|()| self.budget.inside(depth));
        match inside {
            Ok(inside) => {
                let (kind, refined) = self.known.look(data);
                self.object(&layer.inner(b"data:", data, kind), &refined, inside)
            }
            Err(reason) => {
                self.refuse(layer, layer.kind, layer.kind, reason);
                Flow::Continue(())
            }
        }
    }

    fn tell_of_page(&mut self, layer: &Layer<'_>, report: &html::Report) {
        if let Some(over) = report.no_tags {
            self.refuse_form(layer, over);
        }
        if report.data_left_out > 0 {
            self.omit(layer, layer.kind, Reason::Places(report.data_left_out.into()));
        }
        let html::Report { script, is_cut, .. } = report;
        let scripts = u64::from(script.cut)
            .saturating_add(script.undecoded.into())
            .saturating_add(script.unnumbered.into());
        if scripts > 0 {
            self.omit(layer, layer.kind, Reason::Scripts(scripts));
        }
        if *is_cut {
            let reason = NotScanned::Limit { which: Limit::Ratio, limit: PAGE_GROWTH };
            self.refuse(layer, layer.kind, layer.kind, reason);
        }
    }

    fn refuse_form(&mut self, layer: &Layer<'_>, over: OverLimit) {
        let limit = u64::try_from(over.limit).unwrap_or(u64::MAX);
        let reason = NotScanned::Limit { which: Limit::FileSize, limit };
        self.refuse(layer, layer.kind, layer.kind, reason);
    }

    /// Looks at an object once more, as the type that a signature tells (`HandlerType`).
    fn again(&mut self, layer: &Layer<'_>, kind: FileType, depth: Depth) -> Flow {
        let again = layer.again(kind);
        let inside = self.budget.admit().and_then(|()| self.budget.inside(depth));
        match inside {
            Ok(inside) => {
                // Rules that were noticed so far wait until this is done.
                let noticed = std::mem::take(&mut self.memory.noticed);
                let flow = self.object(&again, &self.known.inside_of(&again), inside);
                self.memory.noticed = noticed;
                flow
            }
            Err(reason) => {
                self.refuse(layer, layer.kind, layer.kind, reason);
                Flow::Continue(())
            }
        }
    }

    /// Looks at one view.
    fn view(&mut self, layer: &Layer<'_>, facts: &Facts<'_>, view: View<'_>, depth: Depth) -> Flow {
        let (mut hits, first) = (Vec::new(), self.known.settings.matches == Matches::First);
        let ended = self.each_hit(layer, facts, view, &mut |hit| {
            hits.push(hit);
            let enough = first && hit.handler.is_none() || hits.len() >= MAX_HITS;
            if enough { Flow::Break(()) } else { Flow::Continue(()) }
        });
        for hit in hits {
            match hit.handler {
                Some(kind) if !layer.is_again() => self.again(layer, kind, depth)?,
                // What tells a type of what has it already is a finding, as in ClamAV.
                _ => {
                    let offset = hit.offset.filter(|_| view.is_object);
                    self.find(layer, Detection::Signature(hit.name), offset)?;
                }
            }
        }
        if let Err(ended) = ended {
            self.refuse_for_end(layer, ended);
        }
        Flow::Continue(())
    }

    /// Notices the rules that may hold for the bytes of an object whose views do not show them.
    pub(crate) fn notice_rules(&mut self, layer: &Layer<'_>) {
        if self.known.database.is_some_and(|database| database.rules().count() > 0) {
            let view = View::of(layer, GENERIC);
            let ended = self.each_hit(layer, &Facts::Unknown, view, &mut |_| Flow::Continue(()));
            if let Err(ended) = ended {
                self.refuse_for_end(layer, ended);
            }
        }
    }

    /// Calls `found` with each signature of a view. Rules are kept for later, if the view is the object:
    /// they are for bytes as they are.
    fn each_hit(
        &mut self,
        layer: &Layer<'_>,
        facts: &Facts<'_>,
        view: View<'_>,
        found: &mut dyn FnMut(Hit) -> Flow,
    ) -> Result<(), OutOfWork> {
        let Some(database) = self.known.database else { return Ok(()) };
        let around = layer.types_around();
        let object = Object {
            bytes: view.bytes,
            target: view.target,
            facts,
            file_size: view.file_size,
            container: around.last().copied(),
            intermediates: &around,
        };
        let Memory { scratch, noticed, .. } = &mut *self.memory;
        Matcher::new(database).scan(&object, scratch, &mut self.work, &mut |hit: Hit| {
            if !hit.is_rule {
                return found(hit);
            }
            if view.is_object {
                noticed.push((hit.signature, hit.name));
            }
            Flow::Continue(())
        })
    }
}

/// Whether something is looked at in the forms of a page.
pub(crate) fn is_page(kind: FileType) -> bool {
    matches!(kind, FileType::Html | FileType::HtmlUtf16)
}

impl<'v> View<'v> {
    /// The object itself.
    fn of(layer: &'v Layer<'_>, target: u8) -> Self {
        Self { bytes: layer.bytes, target, file_size: layer.size(), is_object: true }
    }

    fn form(bytes: &'v [u8], file_size: u64) -> Self {
        Self { bytes, target: GENERIC, file_size, is_object: false }
    }
}

const GENERIC: u8 = 0;
const HTML: u8 = 3;
const TEXT: u8 = 7;
/// ClamAV's.
const FORMS: Limits = Limits::CLAMAV;
/// Bytes of the forms for each byte of a page, beyond which they are cut.
const PAGE_GROWTH: u64 = 8;
/// Signatures of one view that are told.
const MAX_HITS: usize = 256;
