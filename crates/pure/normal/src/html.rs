//! Pages as signatures of target 3 see them.

mod arguments;
mod chunk;
mod data_url;
mod entities;
mod machine;
mod reference;
mod screnc;
mod tag;

use crate::{Limits, OverLimit};

/// The forms of one page. Reused from page to page, it allocates nothing once it has grown.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// The page without comments, with small letters and one kind of quotes (`nocomment.html`).
    pub no_comment: Vec<u8>,
    /// The text that a reader sees, and where links and images point to (`notags.html`). Empty when
    /// the page is longer than [`Limits::no_tags`].
    pub no_tags: Vec<u8>,
    /// The page's scripts with their strings joined and their variables numbered (`javascript`).
    pub script: Vec<u8>,
    /// What `data:` addresses in attributes hold, each a message with a header of its own
    /// (`rfc2397/…`): to be scanned as files of any type, beginning as mail.
    pub data: Vec<Vec<u8>>,
}

impl Pages {
    fn clear(&mut self) {
        self.no_comment.clear();
        self.no_tags.clear();
        self.script.clear();
        self.data.clear();
    }
}

/// What the forms do not show, and where they are more than ClamAV's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The page is longer than [`Limits::no_tags`], so that form was not made.
    pub no_tags: Option<OverLimit>,
    /// Times that ClamAV would have given up the rest of the page and these forms go on: its own
    /// forms end there.
    pub resumed: u32,
    /// The forms grew past eight times the page (and 64 KiB), and end there.
    pub is_cut: bool,
    /// Addresses that were not kept because there were more than [`MAX_DATA`].
    pub data_left_out: u32,
    /// What stopped the rewriting of scripts.
    pub script: crate::script::Report,
}

/// Most `data:` addresses that are kept from one page. ClamAV has no such limit but that on the files
/// of one scan, which is 10,000 by default.
pub const MAX_DATA: usize = 10_000;

/// Writes the forms of `page` over whatever `pages` holds.
///
/// Linear in the page, which each byte passes once unless it hides in layers of script encoding.
/// Source: what ClamAV 1.4 writes (`html_normalise_map`, asked by experiment); every oddity that a
/// signature could see is kept, among them portions of 8 KiB at whose start white space vanishes.
///
/// # Errors
/// [`OverLimit`] for more than [`Limits::page`]; `pages` is empty then.
pub fn normalise(page: &[u8], limits: &Limits, pages: &mut Pages) -> Result<Report, OverLimit> {
    pages.clear();
    OverLimit::check(page, limits.page)?;
    let no_tags = OverLimit::check(page, limits.no_tags).err();
    let mut report = machine::Machine::new(page.len(), pages).run(page);
    if no_tags.is_some() {
        pages.no_tags.clear();
    }
    report.no_tags = no_tags;
    Ok(report)
}

/// Writes `page`, which is UTF-16, over whatever `bytes` holds, as [`normalise`] wants it.
///
/// ClamAV's own rule (`cli_utf16toascii`): each pair is the low byte plus sixteen times the high one,
/// whatever the byte order, so that only ASCII in little-endian order keeps its sense.
pub fn from_utf16(page: &[u8], bytes: &mut Vec<u8>) {
    let (pairs, _) = page.as_chunks::<2>();
    bytes.clear();
    bytes.extend(pairs.iter().map(|[low, high]| (high << 4).wrapping_add(*low)));
}
