//! The import table, and the text that an import hash is taken of.

use thiserror::Error;

use super::{DataDirectory, Pe, ordinals};

/// Libraries that are read.
const MAX_LIBRARIES: usize = 1024;
/// Functions, times the number of sections that each is looked for in: a bound on the work, far
/// beyond any real program (10,000 functions in 20 sections are 200,000).
const MAX_STEPS: usize = 1 << 26;
/// Functions at most, whatever the number of sections.
const MAX_FUNCTIONS: usize = 1 << 20;
/// Bytes of a name that are read.
const MAX_NAME: usize = 256;
const DESCRIPTOR: usize = 20;

/// Why there is no import hash.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportError {
    /// No import table is declared.
    #[error("no import table")]
    NoTable,
    /// The table is not wholly within the file.
    #[error("the import table is not in the file")]
    TableOutside,
    /// The name of a library is not in the file.
    #[error("the name of library {library} is not in the file")]
    LibraryName {
        /// Which one, from 0.
        library: usize,
    },
    /// The list of a library's functions is not in the file.
    #[error("the functions of library {library} are not in the file")]
    Functions {
        /// Which one, from 0.
        library: usize,
    },
    /// A name has other characters than letters, digits, `_` and `.`; ClamAV then gives up.
    #[error("a function of library {library} has a name of other characters")]
    FunctionName {
        /// Which one, from 0.
        library: usize,
    },
    /// More functions than anybody needs.
    #[error("more than {limit} functions")]
    OverLimit {
        /// The most that are read, for this number of sections.
        limit: usize,
    },
}

/// What an import hash was taken of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// Bytes of the text; the size field of `.imp`.
    pub length: u32,
    /// Libraries.
    pub libraries: usize,
    /// Functions.
    pub functions: usize,
}

impl Pe<'_> {
    /// Hands the text of the import hash to `text`, piece by piece: `library.function`, small
    /// letters, commas between. Its MD5, SHA-1 or SHA-256 is what `.imp` lists.
    ///
    /// Names, their order and what is skipped are those of ClamAV; for 32 bits a name that is nowhere
    /// in the file is taken from the file's start, as it does.
    ///
    /// # Errors
    /// [`ImportError`]: there is no such hash, whatever was handed out before.
    pub fn imports(&self, text: &mut impl FnMut(&[u8])) -> Result<Imports, ImportError> {
        let table = self.header.directory(DataDirectory::IMPORT);
        if table.virtual_address == 0 || table.size == 0 {
            return Err(ImportError::NoTable);
        }
        let size = usize::try_from(table.size).map_err(|_| ImportError::TableOutside)?;
        let reader = self.reader_at_rva(table.virtual_address);
        let bytes = reader.and_then(|mut reader| reader.take("import table", size).ok());
        let bytes = bytes.ok_or(ImportError::TableOutside)?;
        let mut walk = Walk { pe: self, text, found: Imports::default(), limit: self.limit() };
        for descriptor in bytes.chunks_exact(DESCRIPTOR).take(MAX_LIBRARIES) {
            // What fills the table to its last byte is not counted by ClamAV.
            let read = walk.found.libraries.saturating_mul(DESCRIPTOR);
            let last = bytes.len().saturating_sub(read) <= DESCRIPTOR;
            let Some(descriptor) = Descriptor::parse(descriptor).filter(|_| !last) else { break };
            walk.library(&descriptor)?;
        }
        Ok(walk.found)
    }

    fn limit(&self) -> usize {
        MAX_STEPS
            .checked_div(self.sections.len())
            .map_or(MAX_FUNCTIONS, |most| most.min(MAX_FUNCTIONS))
    }
}

struct Descriptor {
    original_first_thunk: u32,
    name: u32,
    first_thunk: u32,
}

impl Descriptor {
    /// None for the one of zeros that ends the table.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = watchglass_bytes::Reader::new(bytes);
        let original_first_thunk = reader.u32_le("OriginalFirstThunk").ok()?;
        reader.take("TimeDateStamp and ForwarderChain", 8).ok()?;
        let name = reader.u32_le("Name").ok().filter(|name| *name != 0)?;
        Some(Self { original_first_thunk, name, first_thunk: reader.u32_le("FirstThunk").ok()? })
    }
}

struct Walk<'p, 'a, F> {
    pe: &'p Pe<'a>,
    text: &'p mut F,
    found: Imports,
    limit: usize,
}

impl<'a, F: FnMut(&[u8])> Walk<'_, 'a, F> {
    fn library(&mut self, descriptor: &Descriptor) -> Result<(), ImportError> {
        let library = self.found.libraries;
        let start = self.pe.raw_offset(descriptor.name);
        let name = start.and_then(|start| self.name_at(start));
        let (name, _) = name.ok_or(ImportError::LibraryName { library })?;
        self.found.libraries = library.saturating_add(1);
        let thunks = Some(descriptor.original_first_thunk).filter(|rva| *rva != 0);
        let thunks = thunks.and_then(|rva| self.pe.raw_offset(rva)).filter(|offset| *offset != 0);
        let thunks = thunks.or_else(|| self.pe.raw_offset(descriptor.first_thunk));
        let thunks = thunks.ok_or(ImportError::Functions { library })?;
        let Some(mut thunks) = self.pe.reader(thunks) else { return Ok(()) };
        loop {
            let thunk = if self.pe.header.is_pe32_plus {
                thunks.u64_le("thunk").map(|thunk| (thunk >> 63 == 1, thunk))
            } else {
                thunks.u32_le("thunk").map(|thunk| (thunk >> 31 == 1, u64::from(thunk)))
            };
            let Ok((by_ordinal, thunk)) = thunk else { return Ok(()) };
            if thunk == 0 {
                return Ok(());
            }
            self.function(name, by_ordinal, thunk)?;
        }
    }

    fn function(&mut self, dll: &[u8], by_ordinal: bool, thunk: u64) -> Result<(), ImportError> {
        if self.found.functions >= self.limit {
            return Err(ImportError::OverLimit { limit: self.limit });
        }
        self.found.functions = self.found.functions.saturating_add(1);
        if by_ordinal {
            let ordinal = u16::try_from(thunk & 0xffff).unwrap_or_default();
            let number = || format!("ord{ordinal}");
            let name = ordinals::name(dll, ordinal).map_or_else(number, str::to_owned);
            self.write(dll, name.as_bytes());
            return Ok(());
        }
        let rva = u32::try_from(thunk & 0xffff_ffff).unwrap_or_default();
        let start = match self.pe.raw_offset(rva) {
            None if self.pe.header.is_pe32_plus => return Ok(()),
            start => start.unwrap_or(0),
        };
        // Two bytes of a hint come before the name. Near the end of the file there is none.
        let name = self.name_at(start.saturating_add(2)).filter(|(_, is_near_end)| !is_near_end);
        let Some((name, _)) = name else { return Ok(()) };
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if !name.iter().all(is_plain) {
            let library = self.found.libraries.saturating_sub(1);
            return Err(ImportError::FunctionName { library });
        }
        self.write(dll, name);
        Ok(())
    }

    /// The text up to a zero byte, at most [`MAX_NAME`] bytes, and whether the file has less than
    /// that behind its start.
    fn name_at(&self, start: u32) -> Option<(&'a [u8], bool)> {
        let rest = self.pe.bytes.get(usize::try_from(start).ok()?..)?;
        if rest.is_empty() {
            return None;
        }
        let window = rest.get(..MAX_NAME).unwrap_or(rest);
        let end = window.iter().position(|byte| *byte == 0).unwrap_or(window.len());
        Some((window.get(..end)?, rest.len() < MAX_NAME))
    }

    fn write(&mut self, dll: &[u8], function: &[u8]) {
        let mut piece = Vec::with_capacity(MAX_NAME);
        if self.found.length > 0 {
            piece.push(b',');
        }
        piece.extend(without_extension(dll).to_ascii_lowercase());
        piece.push(b'.');
        piece.extend(function.to_ascii_lowercase());
        (self.text)(&piece);
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        self.found.length = self.found.length.wrapping_add(length);
    }
}

/// Without what starts at the first dot, if that is `.dll`, `.ocx` or `.sys`.
fn without_extension(dll: &[u8]) -> &[u8] {
    let Some(dot) = dll.iter().position(|byte| *byte == b'.') else { return dll };
    let (stem, extension) = dll.split_at(dot);
    let known = [b".dll", b".ocx", b".sys"];
    let start = extension.get(..4).unwrap_or_default();
    if known.iter().any(|known| start.eq_ignore_ascii_case(*known)) { stem } else { dll }
}
