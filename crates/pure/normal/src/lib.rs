//! Rewrites text into the forms that signatures are written for.
//!
//! Signatures of target 3 (pages) and 7 (text) are not written for files but for what ClamAV makes of
//! them: small letters, single spaces, no comments, numbered variables. [`text`] and [`html`] make the
//! same forms, byte for byte; [`script`] is the part of a page that needs most care. ClamAV is the
//! definition, its oddities included, because signatures were made by looking at its output.
//!
//! # Which signatures see which bytes
//!
//! Asked of clamscan 1.4.6 by signatures of every target that match one form each. A *view* is what a
//! logical signature sees: each is evaluated for each view alone, and sub-signatures that match in
//! different views never add up, not even those of target 0.
//!
//! | File | Views | Targets | `FileSize` is that of | Digests (`.hdb`) |
//! |---|---|---|---|---|
//! | ASCII, UTF-8, Latin-1 text; scripts of any language; XML | as it is | 0 | file | of the file |
//! | | [`text::normalise`] | 0, 7 | file | none |
//! | UTF-16 text, either order, also without a mark | as it is | 0 | file | of the file |
//! | | [`text::normalise`] of the bytes, whose zeros vanish | 0, 7 | file | none |
//! | HTML, a tag in the first 1,024 bytes | **not as it is** | | | **not of the file** |
//! | | [`no_comment`](html::Pages::no_comment), [`no_tags`](html::Pages::no_tags) | 0, 3 | form | of the form |
//! | | [`script`](html::Pages::script), looked at twice | 0, 3 and 0, 7 | form | of the form |
//! | | each of [`data`](html::Pages::data) | as a file, of type mail | | |
//! | HTML whose first tag stands later | as it is, as what it began as (text, GIF) | 0, own but 7 | file | of the file |
//! | | the forms of HTML | as HTML | | |
//! | HTML in UTF-16 | as it is | 0 | file | of the file |
//! | | the forms of [`html::from_utf16`] | as HTML | | |
//! | Mail, with its headers as they are written | as it is | 0, 4 | file | of the file |
//! | Text part of a mail | as a file of its own type (text: 0, and its form 0, 7; HTML as HTML) | | part | of the part |
//! | RTF, PDF, binary files | as they are | 0, own | file | of the file |
//!
//! Text whose form equals itself is seen twice by target 0; [`text::Form::Same`] says that the second
//! look is idle, and target 7 still has to look once. A position in a signature (`0`, `EOF-3`) counts
//! in the view. Where any signature of target 7 in the whole database has a relative position, ClamAV
//! makes the form in a file, and `FileSize` is that of the form in the lines of text above.
//! With `--normalize=no` or `--scan-html=no` there are no forms: pages are seen as they are, by 0 and 3.
//!
//! # Where these forms differ
//!
//! - White space over a border of ClamAV's blocks of text: [`text::normalise`].
//! - Where ClamAV gives up a page these go on: [`html::Report::resumed`]. Its own form is then the
//!   beginning of ours.
//! - Limits: [`html::MAX_DATA`], [`script::MAX_TOKENS`], and growth past a multiple of the input.
//!   Each is reported; ClamAV has others.
//!
//! Not made: pictures within style sheets (ClamAV decodes `url(data:…)` of `<style>`), addresses for
//! the phishing sets.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests"
    )
)]

pub mod html;
mod limits;
pub mod script;
pub mod text;

pub use limits::{Limits, OverLimit};
