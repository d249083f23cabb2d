//! Workbooks, \[MS-XLS\]: their encryption, their drawings, and their macro sheets of Excel 4.0.

use std::collections::BTreeMap;

use super::formula::{Names, text};
use super::{u16_at, u32_at};
use crate::budget::Budget;
use crate::reason::NotScanned;

/// What a workbook stream says of itself.
#[derive(Debug, Default)]
pub(super) struct Workbook {
    /// How it is encrypted, if it is.
    pub(super) encryption: Option<&'static str>,
    /// Its macro sheets as text; None where it has none.
    pub(super) macros: Option<String>,
    /// What could not be read of them.
    pub(super) not_scanned: Vec<NotScanned>,
    /// The drawing group, its parts joined.
    pub(super) drawings: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Record<'b> {
    kind: u16,
    data: &'b [u8],
    offset: usize,
}

/// Reads a workbook stream, as far as the budget goes. Costs one pass, and what formulas take to
/// write down.
pub(super) fn read(stream: &[u8], budget: &Budget<'_>) -> Workbook {
    let mut found = Workbook::default();
    let mut sheets = Sheets::default();
    let result = pass(stream, &mut found, &mut sheets, budget);
    found.not_scanned.extend(result.err());
    if sheets.any {
        found.macros = Some(sheets.text);
        found.not_scanned.extend(sheets.not_scanned);
    }
    found
}

fn pass(
    stream: &[u8],
    found: &mut Workbook,
    sheets: &mut Sheets,
    budget: &Budget<'_>,
) -> Result<(), NotScanned> {
    let (mut last, mut paid_upto) = (0, 0_usize);
    for record in records(stream) {
        let read = record.offset.saturating_sub(paid_upto);
        if read >= 4096 {
            budget.work(read)?;
            paid_upto = record.offset;
        }
        match record.kind {
            FILE_PASS => {
                found.encryption = Some(match u16_at(record.data, 0) {
                    Some(0) => "XOR obfuscation of a workbook",
                    _ => "RC4 of a workbook",
                });
            }
            DRAWING_GROUP => found.drawings.extend_from_slice(record.data),
            CONTINUE if last == DRAWING_GROUP => found.drawings.extend_from_slice(record.data),
            _ => {}
        }
        if found.encryption.is_none() {
            sheets.take(record, budget)?;
        }
        last = if record.kind == CONTINUE { last } else { record.kind };
    }
    Ok(())
}

fn records(stream: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut offset = 0_usize;
    std::iter::from_fn(move || {
        let header = stream.get(offset..)?;
        let (kind, length) = (u16_at(header, 0)?, u16_at(header, 2)?);
        let rest = header.get(4..).unwrap_or_default();
        let data = rest.get(..length.into()).unwrap_or(rest);
        let record = Record { kind, data, offset };
        offset = offset.saturating_add(4).saturating_add(data.len());
        Some(record)
    })
}

/// Writes macro sheets down while records pass.
#[derive(Debug, Default)]
struct Sheets {
    /// BOUNDSHEET: where the substream begins, and what it is called; the first of several counts.
    known: BTreeMap<u32, String>,
    /// Names that formulas cite by number.
    defined: Vec<String>,
    functions: Option<Names>,
    /// Whether a substream has begun. The first one tells the version of all: in files of Excel 5
    /// others claim a later one.
    has_begun: bool,
    /// Whether the records of a macro sheet pass.
    inside: bool,
    is_old: bool,
    any: bool,
    text: String,
    not_scanned: Option<NotScanned>,
}

impl Sheets {
    fn take(&mut self, record: Record<'_>, budget: &Budget<'_>) -> Result<(), NotScanned> {
        match record.kind {
            BOF | BOF_4 | BOF_3 => self.begin(record),
            BOUND_SHEET => self.sheet(record.data),
            LABEL_NAME => self.name(record.data, budget)?,
            FORMULA if self.inside => self.formula(record.data, budget)?,
            STRING if self.inside => self.line("   result ", &wide(record.data, self.is_old)),
            SHARED_FORMULA if self.inside => {
                self.expression(record.data, "shared", 8, 10, budget)?;
            }
            ARRAY if self.inside => self.expression(record.data, "array", 12, 14, budget)?,
            LABEL if self.inside => {
                let at = cell(record.data);
                let text = wide(record.data.get(6..).unwrap_or_default(), self.is_old);
                self.line(&format!("{at}: "), &text);
            }
            _ => {}
        }
        Ok(())
    }

    /// BOF (2.4.21): a substream begins.
    fn begin(&mut self, record: Record<'_>) {
        let version = u16_at(record.data, 0).unwrap_or(0);
        let is_macro = u16_at(record.data, 2) == Some(MACRO_SHEET);
        if !std::mem::replace(&mut self.has_begun, true) {
            self.is_old = version != BIFF8;
        }
        let place = u32::try_from(record.offset).unwrap_or(u32::MAX);
        let name = self.known.get(&place).cloned();
        let is_known_macro = name.as_ref().is_some_and(|name| name.ends_with(')'));
        self.inside = is_macro || (is_known_macro && u16_at(record.data, 2) != Some(0x10));
        if self.inside {
            self.any = true;
            let name = name.unwrap_or_default();
            self.line("macro sheet ", &name);
        }
    }

    /// BOUNDSHEET8 (2.4.28).
    fn sheet(&mut self, data: &[u8]) {
        let (Some(place), Some(&state), Some(&kind)) = (u32_at(data, 0), data.get(4), data.get(5))
        else {
            return;
        };
        let name = short(data.get(6..).unwrap_or_default(), self.is_old);
        if kind == MACRO_KIND {
            self.any = true;
            let state = match state & 3 {
                0 => "visible",
                1 => "hidden",
                _ => "very hidden",
            };
            let name = format!("{name} ({state})");
            self.line("sheet ", &name);
            self.know(place, name);
        } else {
            self.know(place, name);
        }
    }

    fn know(&mut self, place: u32, name: String) {
        if self.known.len() < MAX_NAMES {
            self.known.entry(place).or_insert(name);
        }
    }

    /// Lbl (2.4.150): a name, and the formula it stands for.
    fn name(&mut self, data: &[u8], budget: &Budget<'_>) -> Result<(), NotScanned> {
        if self.defined.len() >= MAX_NAMES {
            return Ok(());
        }
        let flags = u16_at(data, 0).unwrap_or(0);
        let count = data.get(3).copied().unwrap_or(0);
        let size = usize::from(u16_at(data, 4).unwrap_or(0));
        let rest = data.get(14..).unwrap_or_default();
        let (name, used) = characters(rest, count.into(), self.is_old);
        let name = if flags & BUILT_IN != 0 { built_in(&name) } else { name };
        let formula = rest.get(used..).unwrap_or_default();
        let formula = formula.get(..size).unwrap_or(formula);
        let functions = self.functions.get_or_insert_with(Names::new);
        let value = text(formula, self.is_old, functions, &self.defined, budget)?;
        self.line(&format!("name {name} = "), &value);
        self.defined.push(name);
        Ok(())
    }

    /// Formula (2.4.127).
    fn formula(&mut self, data: &[u8], budget: &Budget<'_>) -> Result<(), NotScanned> {
        let at = cell(data);
        self.expression(data, &at, 20, 22, budget)
    }

    fn expression(
        &mut self,
        data: &[u8],
        at: &str,
        size: usize,
        start: usize,
        budget: &Budget<'_>,
    ) -> Result<(), NotScanned> {
        let rest = data.get(start..).unwrap_or_default();
        let size = usize::from(u16_at(data, size).unwrap_or(0));
        let formula = rest.get(..size).unwrap_or(rest);
        let functions = self.functions.get_or_insert_with(Names::new);
        let value = text(formula, self.is_old, functions, &self.defined, budget)?;
        self.line(&format!("{at}: ="), &value);
        Ok(())
    }

    /// Adds a line, as long as the text stays below what one workbook may say.
    fn line(&mut self, start: &str, rest: &str) {
        if self.text.len() >= MAX_TEXT {
            let limit = crate::budget::to_u64(MAX_TEXT);
            let which = crate::reason::Limit::FileSize;
            self.not_scanned = Some(NotScanned::Limit { which, limit });
            return;
        }
        self.text.push_str(start);
        self.text.push_str(rest);
        self.text.push('\n');
    }
}

/// Row and column as people write them.
fn cell(data: &[u8]) -> String {
    let (row, column) = (u16_at(data, 0).unwrap_or(0), u16_at(data, 2).unwrap_or(0));
    super::formula::reference(row, column & 0xff)
}

/// ShortXLUnicodeString (2.5.240), or bytes before Excel 97.
fn short(data: &[u8], is_old: bool) -> String {
    let Some((&count, rest)) = data.split_first() else { return String::new() };
    characters(rest, count.into(), is_old).0
}

/// XLUnicodeString (2.5.294), or bytes before Excel 97.
fn wide(data: &[u8], is_old: bool) -> String {
    let count = u16_at(data, 0).unwrap_or(0);
    characters(data.get(2..).unwrap_or_default(), count.into(), is_old).0
}

/// A flag, then `count` characters of one byte or two; before Excel 97 bytes alone. And how many bytes
/// that were.
pub(super) fn characters(data: &[u8], count: usize, is_old: bool) -> (String, usize) {
    if is_old {
        let bytes = data.get(..count).unwrap_or(data);
        return (bytes.iter().map(|&byte| char::from(byte)).collect(), bytes.len());
    }
    let Some((&flags, rest)) = data.split_first() else { return (String::new(), 0) };
    if flags & 1 == 0 {
        let bytes = rest.get(..count).unwrap_or(rest);
        let text = bytes.iter().map(|&byte| char::from(byte)).collect();
        return (text, bytes.len().saturating_add(1));
    }
    let size = count.saturating_mul(2);
    let bytes = rest.get(..size).unwrap_or(rest);
    let units = bytes.chunks_exact(2).filter_map(|unit| u16_at(unit, 0));
    let text = char::decode_utf16(units);
    let text = text.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    (text, bytes.len().saturating_add(1))
}

/// Names of one character that Excel gives a meaning (2.4.150).
fn built_in(name: &str) -> String {
    let number = name.chars().next().map_or(0, u32::from);
    let known = usize::try_from(number).ok().and_then(|number| BUILT_INS.get(number));
    known.map_or_else(|| format!("built-in {number}"), |known| (*known).to_owned())
}

const BUILT_INS: &[&str] = &[
    "Consolidate_Area",
    "Auto_Open",
    "Auto_Close",
    "Extract",
    "Database",
    "Criteria",
    "Print_Area",
    "Print_Titles",
    "Recorder",
    "Data_Form",
    "Auto_Activate",
    "Auto_Deactivate",
    "Sheet_Title",
    "_FilterDatabase",
];
const BUILT_IN: u16 = 0x20;
const BIFF8: u16 = 0x0600;
const MACRO_SHEET: u16 = 0x0040;
const MACRO_KIND: u8 = 1;
const FORMULA: u16 = 0x06;
const LABEL_NAME: u16 = 0x18;
const FILE_PASS: u16 = 0x2f;
const CONTINUE: u16 = 0x3c;
const BOUND_SHEET: u16 = 0x85;
const DRAWING_GROUP: u16 = 0xeb;
const LABEL: u16 = 0x204;
const STRING: u16 = 0x207;
const BOF_3: u16 = 0x209;
const ARRAY: u16 = 0x221;
const BOF_4: u16 = 0x409;
const SHARED_FORMULA: u16 = 0x4bc;
const BOF: u16 = 0x809;
/// Sheets and names kept of one workbook; Excel numbers both in 16 bits.
const MAX_NAMES: usize = 0xffff;
/// Bytes of text that the macros of one workbook make: far more than people write, and little memory.
const MAX_TEXT: usize = 16 << 20;
