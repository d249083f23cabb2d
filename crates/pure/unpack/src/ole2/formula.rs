//! Formulas as people write them, \[MS-XLS\] section 2.2.2 and 2.5.198.

use super::functions::{Row, commands, functions};
use super::workbook::characters;
use super::{u16_at, u32_at};
use crate::budget::Budget;
use crate::reason::NotScanned;

/// The names of functions and commands.
#[derive(Debug)]
pub(super) struct Names {
    functions: Vec<Row>,
    commands: Vec<Row>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { functions: functions(), commands: commands() }
    }

    fn function(&self, number: u16) -> Option<Row> {
        let place = self.functions.binary_search_by_key(&number, |row| row.number).ok()?;
        self.functions.get(place).copied()
    }

    fn command(&self, number: u16) -> Option<Row> {
        let place = self.commands.binary_search_by_key(&number, |row| row.number).ok()?;
        self.commands.get(place).copied()
    }
}

/// Writes a formula down, as far as it is understood; what follows that is marked by `?`.
pub(super) fn text(
    formula: &[u8],
    is_old: bool,
    names: &Names,
    defined: &[String],
    budget: &Budget<'_>,
) -> Result<String, NotScanned> {
    let mut stack = Stack { is_old, names, defined, budget, copied: 0, parts: Vec::new() };
    let mut rest = formula;
    while let Some((&token, after)) = rest.split_first() {
        let used = stack.take(token, after)?;
        stack.pay(0)?;
        match used {
            Some(used) => rest = after.get(used..).unwrap_or_default(),
            None => {
                stack.parts.push("?".to_owned());
                break;
            }
        }
    }
    Ok(stack.parts.join(" "))
}

/// Row and column as people write them, from zero.
pub(super) fn reference(row: u16, column: u16) -> String {
    let column = column & 0x3fff;
    let digit =
        |number: u16| char::from(b'A'.saturating_add(u8::try_from(number % 26).unwrap_or(0)));
    let row = u32::from(row).saturating_add(1);
    let last = digit(column);
    match (column / 26).checked_sub(1) {
        Some(first) => format!("{}{last}{row}", digit(first)),
        None => format!("{last}{row}"),
    }
}

/// Operands, while operators take them.
struct Stack<'s> {
    /// Before Excel 97 columns are bytes and names are longer.
    is_old: bool,
    names: &'s Names,
    defined: &'s [String],
    budget: &'s Budget<'s>,
    /// Bytes moved and not yet paid for.
    copied: usize,
    parts: Vec<String>,
}

impl Stack<'_> {
    /// Does what one token says and returns how many bytes follow it; None where it is unknown.
    fn take(&mut self, token: u8, data: &[u8]) -> Result<Option<usize>, NotScanned> {
        let token = if token >= 0x40 { token & 0x1f | 0x20 } else { token };
        Ok(match token {
            0x03..=0x11 => self.binary(token)?,
            0x12 => self.around("+", "")?,
            0x13 => self.around("-", "")?,
            0x14 => self.around("", "%")?,
            0x15 => self.around("(", ")")?,
            0x16 => self.operand(String::new(), 0),
            0x17 => {
                let count = data.first().copied().unwrap_or(0);
                let (text, used) =
                    characters(data.get(1..).unwrap_or_default(), count.into(), self.is_old);
                self.operand(format!("\"{text}\""), used.saturating_add(1))
            }
            0x19 => self.attribute(data)?,
            0x1c => self.operand(error(data.first().copied()).to_owned(), 1),
            0x1d => self.operand(if data.first() == Some(&0) { "FALSE" } else { "TRUE" }.into(), 1),
            0x1e => self.operand(u16_at(data, 0).unwrap_or(0).to_string(), 2),
            0x1f => {
                let number = data.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes));
                self.operand(number.to_string(), 8)
            }
            0x21 => self.fixed(u16_at(data, 0).unwrap_or(0))?,
            0x22 => self.variable(data)?,
            _ if self.is_old => self.old_reference(token, data),
            _ => self.reference(token, data),
        })
    }

    fn operand(&mut self, text: String, used: usize) -> Option<usize> {
        // Names are copied: a token of five bytes stands for hundreds.
        self.copied = self.copied.saturating_add(text.len());
        self.parts.push(text);
        Some(used)
    }

    fn reference(&mut self, token: u8, data: &[u8]) -> Option<usize> {
        let word = |at| u16_at(data, at).unwrap_or(0);
        let area = |at: usize| {
            let at = |more: usize| word(at.saturating_add(more));
            format!("{}:{}", reference(at(0), at(4)), reference(at(2), at(6)))
        };
        match token {
            0x01 => self.operand(format!("shared {}", reference(word(0), word(2))), 4),
            0x02 => self.operand(format!("table {}", reference(word(0), word(2))), 4),
            0x20 => self.operand("{array}".to_owned(), 7),
            0x23 => {
                let number = u32_at(data, 0).unwrap_or(0);
                let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let name = place.and_then(|place| self.defined.get(place)).cloned();
                self.operand(name.unwrap_or_else(|| format!("name{number}")), 4)
            }
            0x24 | 0x2c => self.operand(reference(word(0), word(2)), 4),
            0x25 | 0x2d => self.operand(area(0), 8),
            0x26..=0x28 => Some(6),
            0x29 => Some(2),
            0x2a => self.operand("#REF!".to_owned(), 4),
            0x2b => self.operand("#REF!".to_owned(), 8),
            0x39 => {
                let text = format!("external{}!name{}", word(0), u32_at(data, 2).unwrap_or(0));
                self.operand(text, 6)
            }
            0x3a => self.operand(format!("sheet{}!{}", word(0), reference(word(2), word(4))), 6),
            0x3b => self.operand(format!("sheet{}!{}", word(0), area(2)), 10),
            0x3c => self.operand("#REF!".to_owned(), 6),
            0x3d => self.operand("#REF!".to_owned(), 10),
            _ => None,
        }
    }

    /// The same as Excel 5 and 95 wrote it.
    fn old_reference(&mut self, token: u8, data: &[u8]) -> Option<usize> {
        let word = |at| u16_at(data, at).unwrap_or(0);
        let column = |at: usize| data.get(at).copied().map_or(0, u16::from);
        let cell = |row, at| reference(word(row) & 0x3fff, column(at));
        match token {
            0x23 => {
                let number = word(0);
                let place = usize::from(number).checked_sub(1);
                let name = place.and_then(|place| self.defined.get(place)).cloned();
                self.operand(name.unwrap_or_else(|| format!("name{number}")), 14)
            }
            0x24 | 0x2c => self.operand(cell(0, 2), 3),
            0x25 | 0x2d => self.operand(format!("{}:{}", cell(0, 4), cell(2, 5)), 6),
            0x2a => self.operand("#REF!".to_owned(), 3),
            0x2b => self.operand("#REF!".to_owned(), 6),
            0x39 => self.operand(format!("external{}!name{}", word(0), word(10)), 24),
            0x3a => self.operand(format!("sheet{}!{}", word(10), cell(14, 16)), 17),
            0x3b => {
                let text = format!("sheet{}!{}:{}", word(10), cell(14, 18), cell(16, 19));
                self.operand(text, 20)
            }
            0x3c => self.operand("#REF!".to_owned(), 17),
            0x3d => self.operand("#REF!".to_owned(), 20),
            _ => self.reference(token, data),
        }
    }

    fn binary(&mut self, token: u8) -> Result<Option<usize>, NotScanned> {
        let place = usize::from(token.saturating_sub(3));
        let operator = OPERATORS.get(place).copied().unwrap_or("?");
        let right = self.parts.pop().unwrap_or_default();
        let mut left = self.parts.pop().unwrap_or_default();
        self.pay(right.len())?;
        left.push_str(operator);
        left.push_str(&right);
        self.push_cut(left);
        Ok(Some(0))
    }

    fn around(&mut self, before: &str, after: &str) -> Result<Option<usize>, NotScanned> {
        let text = self.parts.pop().unwrap_or_default();
        self.pay(text.len())?;
        self.push_cut(format!("{before}{text}{after}"));
        Ok(Some(0))
    }

    /// Hints of how to calculate and where spaces stood (2.5.198.7 and others); one of them is a sum.
    fn attribute(&mut self, data: &[u8]) -> Result<Option<usize>, NotScanned> {
        let kind = data.first().copied().unwrap_or(0);
        let word = usize::from(u16_at(data, 1).unwrap_or(0));
        if kind & 0x10 != 0 {
            self.call("SUM", 1)?;
        }
        let jumps = if kind & 0x04 != 0 { word.saturating_add(1).saturating_mul(2) } else { 0 };
        Ok(Some(jumps.saturating_add(3)))
    }

    fn fixed(&mut self, number: u16) -> Result<Option<usize>, NotScanned> {
        let row = self.names.function(number);
        let count = row.and_then(|row| row.arguments).unwrap_or(1);
        self.function(row, number, count.into())?;
        Ok(Some(2))
    }

    fn variable(&mut self, data: &[u8]) -> Result<Option<usize>, NotScanned> {
        let count = usize::from(data.first().copied().unwrap_or(0) & 0x7f);
        let number = u16_at(data, 1).unwrap_or(0);
        if number == USER_DEFINED {
            let at = self.parts.len().saturating_sub(count);
            let name = if count > 0 && at < self.parts.len() {
                self.parts.remove(at)
            } else {
                String::new()
            };
            self.call(&name, count.saturating_sub(1))?;
        } else if number & 0x8000 != 0 {
            self.function(self.names.command(number & 0x7fff), number, count)?;
        } else {
            self.function(self.names.function(number), number, count)?;
        }
        Ok(Some(3))
    }

    fn function(&mut self, row: Option<Row>, number: u16, count: usize) -> Result<(), NotScanned> {
        match row {
            Some(row) => self.call(row.name, count),
            None => self.call(&format!("function{number}"), count),
        }
    }

    fn call(&mut self, name: &str, count: usize) -> Result<(), NotScanned> {
        let at = self.parts.len().saturating_sub(count);
        let arguments = self.parts.split_off(at).join(",");
        self.pay(arguments.len())?;
        self.push_cut(format!("{name}({arguments})"));
        Ok(())
    }

    fn pay(&mut self, bytes: usize) -> Result<(), NotScanned> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied < 4096 {
            return Ok(());
        }
        self.budget.work(std::mem::take(&mut self.copied))
    }

    fn push_cut(&mut self, mut text: String) {
        if text.len() > MAX_LENGTH {
            let end = (0..=MAX_LENGTH).rev().find(|&end| text.is_char_boundary(end));
            text.truncate(end.unwrap_or(0));
        }
        self.parts.push(text);
    }
}

fn error(code: Option<u8>) -> &'static str {
    match code {
        Some(0x00) => "#NULL!",
        Some(0x07) => "#DIV/0!",
        Some(0x0f) => "#VALUE!",
        Some(0x17) => "#REF!",
        Some(0x1d) => "#NAME?",
        Some(0x24) => "#NUM!",
        _ => "#N/A",
    }
}

const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "^", "&", "<", "<=", "=", ">=", ">", "<>", " ", ",", ":"];
/// The function whose first argument is its name.
const USER_DEFINED: u16 = 0xff;
/// Bytes of one formula's text. Excel accepts 8,192 characters; operators that double would go on.
const MAX_LENGTH: usize = 64 << 10;
