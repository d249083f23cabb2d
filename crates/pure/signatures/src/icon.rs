//! Icons of programs, `.idb`.
//!
//! `Name:Group1:Group2:Hash`, the hash being 124 hexadecimal digits.

use crate::error::LineError;
use crate::field::{Fields, nibble};

/// An icon that programs with it share, in two groups that logical signatures name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    /// Its name, for people; may be empty.
    pub name: Box<[u8]>,
    /// Its groups.
    pub groups: [Box<[u8]>; 2],
    /// Width and height in pixels: 16, 24 or 32.
    pub size: u8,
    /// Where it is most coloured.
    pub color: [Spot; 3],
    /// Where it is least coloured.
    pub gray: [Spot; 3],
    /// Where it is brightest.
    pub bright: [Spot; 3],
    /// Where it is darkest.
    pub dark: [Spot; 3],
    /// Where its edges are strongest.
    pub edge: [Spot; 3],
    /// Where it has none.
    pub no_edge: [Spot; 3],
    /// Shares of red, green and blue, then of colour, in per cent.
    pub spread: [u8; 4],
}

/// A value at a place of an icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The value, an average; 4072 at most for colours.
    pub average: u16,
    /// Pixels from the left.
    pub x: u8,
    /// Pixels from the top.
    pub y: u8,
}

/// Parses one line.
///
/// # Errors
/// [`LineError`] for what ClamAV refuses; it also takes no more than 256 groups of each kind.
pub(crate) fn parse(line: &[u8]) -> Result<Icon, LineError> {
    let fields = Fields::<4>::split(line, b':', 4)?;
    let text = fields.at(3);
    let wrong = || LineError::field("IconHash", text, "the 124 digits of an icon's hash");
    if text.len() != HASH_DIGITS {
        return Err(wrong());
    }
    let mut digits = Digits(text);
    let mut read = || {
        let size = digits.byte()?;
        let limit = match size {
            16 | 24 | 32 => size.saturating_sub(size / 8),
            _ => return None,
        };
        let [color, gray] = [digits.spots(3, limit)?, digits.spots(3, limit)?];
        let [bright, dark] = [digits.spots(2, limit)?, digits.spots(2, limit)?];
        let [edge, no_edge] = [digits.spots(2, limit)?, digits.spots(2, limit)?];
        let spread = [digits.byte()?, digits.byte()?, digits.byte()?, digits.byte()?];
        let [red, green, blue, colored] = spread.map(u16::from);
        let sum = red.saturating_add(green).saturating_add(blue);
        let name = fields.at(0).into();
        let groups = [fields.at(1).into(), fields.at(2).into()];
        (sum <= MAX_SUM && colored <= MAX_COLORED).then_some(Icon {
            name,
            groups,
            size,
            color,
            gray,
            bright,
            dark,
            edge,
            no_edge,
            spread,
        })
    };
    read().ok_or_else(wrong)
}

/// Hexadecimal digits yet to be read.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<u16> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        head.iter()
            .try_fold(0_u16, |sum, digit| Some(sum.wrapping_shl(4) | u16::from(nibble(*digit)?)))
    }

    fn byte(&mut self) -> Option<u8> {
        self.number(2).and_then(|byte| u8::try_from(byte).ok())
    }

    /// Three places, the average of each having so many digits.
    fn spots(&mut self, digits: usize, limit: u8) -> Option<[Spot; 3]> {
        let mut spots = [Spot::default(); 3];
        for spot in &mut spots {
            *spot = Spot { average: self.number(digits)?, x: self.byte()?, y: self.byte()? };
            if spot.average > MAX_AVERAGE || spot.x > limit || spot.y > limit {
                return None;
            }
        }
        Some(spots)
    }
}

const HASH_DIGITS: usize = 124;
/// Largest average that ClamAV takes.
const MAX_AVERAGE: u16 = 4072;
/// Largest sum of three shares, each rounded up.
const MAX_SUM: u16 = 103;
/// Per cent.
const MAX_COLORED: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_hash_and_its_limits() {
        let spots = |average: &str| format!("{average}0001").repeat(3);
        let hash = |size: &str, average: &str, spread: &str| {
            format!("{size}{}{}{}{spread}", spots(average), spots("fe8"), spots("ff").repeat(4))
        };
        let line = |hash: String| parse(format!("A:G1:G2:{hash}").as_bytes());
        let read = line(hash("20", "fe8", "21222464")).unwrap();
        assert_eq!((read.size, read.color[0].average, read.spread[3]), (32, 4072, 100));
        assert!(line(hash("21", "fe8", "21222464")).is_err());
        assert!(line(hash("20", "fe9", "21222464")).is_err());
        assert!(line(hash("20", "fe8", "30302064")).is_err());
    }
}
