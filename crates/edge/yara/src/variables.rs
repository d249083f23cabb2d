//! Variables that rules expect from whoever runs them.

/// Names that public sets ask for. Files are looked at by their bytes alone, in a process that is told
/// no path: the variables are there, so that rules compile, and empty.
const NAMES: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

pub(crate) fn define(compiler: &mut yara_x::Compiler<'_>) {
    for name in NAMES {
        compiler.define_global(name, "").expect("a name that is defined once, and a text");
    }
}
