//! Buffers of the forms of texts and pages.

use watchglass_normal::html::Pages;

/// Buffers that are kept from object to object.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    pub(crate) text: Vec<u8>,
    /// A page of wide characters, narrowed.
    pub(crate) narrowed: Vec<u8>,
    pub(crate) pages: Pages,
}
