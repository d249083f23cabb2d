//! Random signatures, of every way of writing them.

use crate::{Dice, Palette};

impl Dice {
    /// A line of a `.ndb` for all files, with the name `B` and this number.
    pub fn body_line(&mut self, number: usize) -> String {
        format!("B{number}:0:{}:{}\n", self.offset(), self.body())
    }

    /// A line of a `.ldb` for all files, with the name `L` and this number.
    pub fn logical_line(&mut self, number: usize) -> String {
        let count = self.below(4).saturating_add(1);
        let mut logic = self.leaf(0);
        for index in 1..count {
            let sign = self.word(&["&", "|"]);
            logic = format!("{logic}{sign}{}", self.leaf(index));
            if self.one_in(3) {
                let test = self.word(&["", ">1", "=2", "<3", ">1,2"]);
                logic = format!("({logic}){test}");
            }
        }
        let subsignatures: Vec<_> = (0..count)
            .map(|_| {
                let modifiers = self.word(&["", "", "", "::i", "::w", "::wa", "::f"]);
                let offset = if self.one_in(3) { self.offset() + ":" } else { String::new() };
                format!("{offset}{}{modifiers}", self.body())
            })
            .collect();
        let size = self.word(&["", ",FileSize:0-60", ",FileSize:30-5000"]);
        format!("L{number};Engine:51-255{size},Target:0;{logic};{}\n", subsignatures.join(";"))
    }

    /// Changes some bytes, or moves them.
    pub fn damage(&mut self, file: &mut Vec<u8>) {
        for _ in 0..=self.below(2) {
            let at = self.below(file.len());
            let byte = self.byte(Palette::Mixed);
            match self.below(3) {
                0 => file.iter_mut().skip(at).take(1).for_each(|here| *here = byte),
                1 if !file.is_empty() => drop(file.remove(at)),
                1 => {}
                _ => file.insert(at, byte),
            }
        }
    }

    fn word(&mut self, of: &[&'static str]) -> &'static str {
        self.pick(of).copied().unwrap_or_default()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| format!("{:02x}", self.byte(Palette::Mixed))).collect()
    }

    fn item(&mut self) -> String {
        match self.below(12) {
            0 => "??".to_owned(),
            1 => format!("{:x}?", self.byte(Palette::Mixed) >> 4),
            2 => format!("?{:x}", self.byte(Palette::Mixed) & 15),
            3 => format!("({}|{})", self.hex(1), self.hex(1)),
            4 => format!("({}|{}|{})", self.hex(2), self.hex(1), self.hex(3)),
            5 => format!("!({}|{})", self.hex(2), self.hex(2)),
            6 => self.word(&["(B)", "(L)", "(W)", "!(B)", "!(L)", "!(W)"]).to_owned(),
            _ => {
                let count = self.below(3).saturating_add(1);
                self.hex(count)
            }
        }
    }

    fn part(&mut self) -> String {
        let anchor = self.below(4).saturating_add(2);
        let before: String = (0..self.below(3)).map(|_| self.item()).collect();
        let behind: String = (0..self.below(3)).map(|_| self.item()).collect();
        let near = if self.one_in(8) { format!("{}[1-3]", self.hex(1)) } else { String::new() };
        let after = if self.one_in(8) { format!("[0-2]{}", self.hex(1)) } else { String::new() };
        format!("{near}{before}{}{behind}{after}", self.hex(anchor))
    }

    fn body(&mut self) -> String {
        let mut body = self.part();
        for _ in 0..self.below(3) {
            let gap = self.word(&["*", "{2-5}", "{-4}", "{3-}"]);
            body = format!("{body}{gap}{}", self.part());
        }
        body
    }

    fn offset(&mut self) -> String {
        match self.below(6) {
            0 => format!("{}", self.below(6)),
            1 => format!("{},{}", self.below(4), self.below(8)),
            2 => format!("EOF-{},{}", self.below(9).saturating_add(5), self.below(5)),
            _ => "*".to_owned(),
        }
    }

    fn leaf(&mut self, index: usize) -> String {
        let test = self.word(&["", "", "", "", ">1", "=1", "=0", "<2"]);
        format!("{index}{test}")
    }
}
