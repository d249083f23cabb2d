//! Text of people, and tables.

use super::Page;
use crate::mark::Place;

/// Where the second page of memory begins; a partial upload often ends there.
const FOUR_KIB: usize = 4096;

impl Page<'_> {
    pub(super) fn text(&mut self) -> String {
        let length = self.long();
        self.body(length).join("\n\n") + "\n"
    }

    pub(super) fn markdown(&mut self) -> String {
        let mut text = format!("# {}\n\n", self.title());
        let length = self.draw.size(1_500, 6_000);
        for paragraph in self.body(length) {
            if self.draw.one_in(4) {
                text.push_str(&format!("## {}\n\n", self.title()));
            }
            let bullet = if self.draw.one_in(3) { "- " } else { "" };
            text.push_str(&format!("{bullet}{paragraph}\n\n"));
        }
        text
    }

    pub(super) fn csv(&mut self) -> String {
        let rows = self.draw.between(30, 300);
        let mut text = format!("number,{},{},amount\n", self.word(), self.word());
        for row in 0..rows {
            let note = self.cell(row, rows);
            let (who, cents) = (self.title(), self.draw.below(1_000_000));
            text.push_str(&format!(
                "{row},\"{who}\",\"{note}\",{}.{:02}\n",
                cents / 100,
                cents % 100
            ));
        }
        text
    }

    /// The text of one cell of a table: a mark in the first, middle and last row.
    pub(super) fn cell(&mut self, row: u32, rows: u32) -> String {
        let marked = [0, rows / 2, rows.saturating_sub(1)].contains(&row);
        if marked { self.mark(Place::Row(row)) } else { self.sentence() }
    }

    /// Paragraphs of about `length` bytes with marks at the start, at 4 KiB where the text is long
    /// enough, in the middle and at the end. Some have a marking above the text.
    pub(super) fn body(&mut self, length: usize) -> Vec<String> {
        let mut paragraphs = vec![self.mark(Place::Head)];
        paragraphs.extend(self.marking().map(str::to_owned));
        let mut written = paragraphs.iter().map(String::len).sum::<usize>();
        let mut waiting = vec![(length / 2, Place::Middle)];
        if length > FOUR_KIB.saturating_add(500) {
            waiting.push((FOUR_KIB, Place::FourKib));
        }
        waiting.sort_unstable_by(|left, right| right.cmp(left));
        while written < length {
            let mut paragraph = self.paragraph();
            if let Some((_, place)) = waiting.pop_if(|(at, _)| *at <= written) {
                paragraph = format!("{paragraph} {} {}", self.mark(place), self.sentence());
            }
            written = written.saturating_add(paragraph.len()).saturating_add(2);
            paragraphs.push(paragraph);
        }
        for (_, place) in waiting {
            paragraphs.push(self.mark(place));
        }
        paragraphs.push(self.mark(Place::Tail));
        paragraphs
    }

    fn long(&mut self) -> usize {
        if self.draw.one_in(4) {
            self.draw.size(10_000, 40_000)
        } else {
            self.draw.size(800, 9_000)
        }
    }
}
