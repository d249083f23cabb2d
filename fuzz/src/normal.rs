//! Pages and texts.

use watchglass_normal::html::{self, Pages};
use watchglass_normal::text::Form;
use watchglass_normal::{Limits, text};

/// The forms of a page: bounded, and the same from buffers that held another page.
pub fn html(data: &[u8]) {
    let mut pages = Pages::default();
    let Ok(report) = html::normalise(data, &Limits::CLAMAV, &mut pages) else { return };
    let Pages { no_comment, no_tags, script, data: parts } = pages.clone();
    let parts: usize = parts.iter().map(Vec::len).sum();
    let written = no_comment.len() + no_tags.len() + parts;
    assert!(written <= 40 * data.len() + (128 << 10), "{written} of {}", data.len());
    assert!(script.len() <= 80 * data.len() + (256 << 10), "{} of {}", script.len(), data.len());
    let before = pages.clone();
    assert_eq!(html::normalise(data, &Limits::CLAMAV, &mut pages), Ok(report));
    assert_eq!((before.no_comment, before.script), (pages.no_comment, pages.script));
}

/// The form of a text, which is its own form.
pub fn text(data: &[u8]) {
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    let Ok(form) = text::normalise(data, &Limits::CLAMAV, &mut once) else { return };
    assert_eq!(form == Form::Same, once == data);
    assert_eq!(text::normalise(&once, &Limits::CLAMAV, &mut twice), Ok(Form::Same));
    assert_eq!(once, twice);
}
