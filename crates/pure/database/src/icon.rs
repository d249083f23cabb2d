//! Icons of programs, in coded form: the names of two groups as stretches, then numbers. The side; six
//! times three spots (most coloured, least coloured, brightest, darkest, strongest edges, no edges), each
//! an average and two coordinates; the spread in four.

use crate::code::{Cursor, push_number, push_stretch};
use crate::file::{Database, SectionKind};
use crate::records::{RecordKind, Records};

/// An icon and the groups that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icon<'a> {
    /// Its groups.
    pub groups: [&'a [u8]; 2],
    /// Pixels a side.
    pub side: u32,
    /// Averages at places, three of each kind: average, from the left, from the top.
    pub spots: [[[u32; 3]; 3]; 6],
    /// Shares of colours, in per cent.
    pub spread: [u32; 4],
}

/// The icons of a database. Broken ones are left out.
#[derive(Clone, Debug)]
pub struct Icons<'a> {
    records: Records<'a>,
}

impl<'a> Icons<'a> {
    pub(crate) fn new(database: &Database<'a>) -> Self {
        Self { records: Records::new(database.section(SectionKind::Records(RecordKind::Icon))) }
    }
}

impl<'a> Iterator for Icons<'a> {
    type Item = Icon<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.find_map(|(_, code)| Icon::read(code))
    }
}

impl<'a> Icon<'a> {
    fn read(mut code: Cursor<'a>) -> Option<Self> {
        let groups = [code.stretch()?, code.stretch()?];
        let side = code.number()?;
        let mut spots = [[[0; 3]; 3]; 6];
        for number in spots.as_flattened_mut().as_flattened_mut() {
            *number = code.number()?;
        }
        let mut spread = [0; 4];
        for number in &mut spread {
            *number = code.number()?;
        }
        Some(Self { groups, side, spots, spread })
    }

    pub(crate) fn code(&self) -> Vec<u8> {
        let mut code = Vec::new();
        self.groups.iter().for_each(|group| push_stretch(&mut code, group));
        let spots = self.spots.as_flattened().as_flattened();
        for number in [self.side].iter().chain(spots).chain(&self.spread) {
            push_number(&mut code, *number);
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn what_is_added_is_there() {
        let spots = [[[4072, 1, 2], [3, 4, 5], [6, 7, 8]]; 6];
        let icon = Icon { groups: [b"A", b""], side: 32, spots, spread: [1, 2, 3, 100] };
        let mut builder = Builder::default();
        builder.add_icon(&icon).unwrap();
        let bytes = builder.build();
        assert_eq!(Database::open(&bytes).unwrap().icons().collect::<Vec<_>>(), [icon]);
    }
}
