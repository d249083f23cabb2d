//! What is rewritten at all.

use thiserror::Error;

/// The longest inputs that are rewritten, in bytes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest text (`MaxScriptNormalize`).
    pub text: usize,
    /// Longest page (`MaxHTMLNormalize`).
    pub page: usize,
    /// Longest page whose form without tags is made (`MaxHTMLNoTags`).
    pub no_tags: usize,
}

impl Limits {
    /// ClamAV's defaults: 20 MiB of text, 40 MiB of page, 8 MiB of page without tags.
    pub const CLAMAV: Self = Self { text: 20 << 20, page: 40 << 20, no_tags: 8 << 20 };
}

/// The input is longer than what is rewritten: it is *not scanned* in this form.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{found} bytes, {limit} are rewritten")]
pub struct OverLimit {
    /// Bytes of the input.
    pub found: usize,
    /// The most that is rewritten.
    pub limit: usize,
}

impl OverLimit {
    /// # Errors
    /// When `bytes` is longer than `limit`.
    pub(crate) fn check(bytes: &[u8], limit: usize) -> Result<(), Self> {
        if bytes.len() > limit { Err(Self { found: bytes.len(), limit }) } else { Ok(()) }
    }
}
