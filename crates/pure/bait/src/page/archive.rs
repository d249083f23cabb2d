//! Archives of documents.

use super::Page;
use crate::format::gzip;
use crate::format::tar::tar;
use crate::format::zip::{Method, Zip};
use crate::mark::Place;

impl Page<'_> {
    pub(super) fn zip(&mut self) -> Vec<u8> {
        let mut zip = Zip::default();
        for (name, bytes) in self.members() {
            let method = if self.draw.one_in(4) { Method::Stored } else { Method::Deflated };
            zip.add(&name, method, &bytes);
        }
        let comment = self.mark(Place::Comment);
        zip.comment(&comment);
        zip.finish()
    }

    pub(super) fn tar_gz(&mut self) -> Vec<u8> {
        gzip(&tar(&self.members()))
    }

    /// Some texts, each with a mark in its middle.
    fn members(&mut self) -> Vec<(String, Vec<u8>)> {
        let count = self.draw.between(2, 6);
        let folder = self.word();
        let member = |number| {
            let name = format!("{folder}/{}-{number}.txt", self.word());
            let (before, after) = (self.paragraph(), self.paragraph());
            let mark = self.mark(Place::Member(number));
            (name, format!("{before}\n{mark}\n{after}\n").into_bytes())
        };
        (0..count).map(member).collect()
    }
}
