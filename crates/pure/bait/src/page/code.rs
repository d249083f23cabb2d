//! Programs that a compiler accepts: functions that compute something small.

use super::Page;
use crate::mark::Place;

/// A function of a program: its name, what it says of itself, two numbers.
struct Function {
    name: String,
    comment: String,
    factor: u32,
    term: u32,
}

impl Page<'_> {
    pub(super) fn rust(&mut self) -> String {
        let mut text = format!("//! {}\n\n", self.mark(Place::Head));
        let key = self.mark(Place::Literal);
        text.push_str(&format!("pub const KEY: &str = \"{key}\";\n"));
        for function in self.functions() {
            let Function { name, comment, factor, term } = function;
            text.push_str(&format!(
                "\n/// {comment}\npub fn {name}(value: u64) -> u64 {{\n    \
                 value.wrapping_mul({factor}).wrapping_add({term})\n}}\n"
            ));
        }
        text + &format!("\n// {}\n", self.mark(Place::Tail))
    }

    pub(super) fn python(&mut self) -> String {
        let mut text = format!("# {}\n", self.mark(Place::Head));
        text.push_str(&format!(
            "\"\"\"{}\"\"\"\n\nKEY = \"{}\"\n",
            self.sentence(),
            self.mark(Place::Literal)
        ));
        for function in self.functions() {
            let Function { name, comment, factor, term } = function;
            text.push_str(&format!(
                "\n\ndef {name}(value):\n    \"\"\"{comment}\"\"\"\n    return value * {factor} + {term}\n"
            ));
        }
        text + &format!("\n# {}\n", self.mark(Place::Tail))
    }

    pub(super) fn c(&mut self) -> String {
        let mut text = format!("/* {} */\n#include <stdint.h>\n\n", self.mark(Place::Head));
        text.push_str(&format!("const char *const key = \"{}\";\n", self.mark(Place::Literal)));
        for function in self.functions() {
            let Function { name, comment, factor, term } = function;
            text.push_str(&format!(
                "\n/* {comment} */\nuint64_t {name}(uint64_t value)\n{{\n\
                 \treturn value * {factor}u + {term}u;\n}}\n"
            ));
        }
        text + &format!("\n/* {} */\n", self.mark(Place::Tail))
    }

    /// Names get a number: the same word may come twice.
    fn functions(&mut self) -> Vec<Function> {
        let count = self.draw.between(4, 30);
        let middle = count / 2;
        let function = |number| {
            let comment =
                if number == middle { self.mark(Place::Comment) } else { self.sentence() };
            Function {
                name: format!("{}_{number}", self.word()),
                comment: comment.replace('?', "."),
                factor: self.draw.between(2, 99),
                term: self.draw.below(1000),
            }
        };
        (0..count).map(function).collect()
    }
}
