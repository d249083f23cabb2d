//! Pictures that say who made them.

use super::Page;
use crate::format::picture::{Caption, jpeg, png};
use crate::mark::Place;

impl Page<'_> {
    pub(super) fn jpeg(&mut self) -> Vec<u8> {
        let (description, artist, comment) = self.caption();
        let caption = Caption { description: &description, artist: &artist, comment: &comment };
        let [columns, rows] =
            [(); 2].map(|()| u16::try_from(self.draw.between(60, 160)).unwrap_or(60));
        jpeg(&caption, columns, rows, &mut self.draw)
    }

    pub(super) fn png(&mut self) -> Vec<u8> {
        let (description, artist, comment) = self.caption();
        let caption = Caption { description: &description, artist: &artist, comment: &comment };
        let (width, height) = (self.draw.between(60, 160), self.draw.between(40, 120));
        png(&caption, width, height, &mut self.draw)
    }

    fn caption(&mut self) -> (String, String, String) {
        (self.mark(Place::PictureText), self.mark(Place::Author), self.mark(Place::Comment))
    }
}
