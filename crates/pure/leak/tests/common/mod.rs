//! A small campaign: ten documents of 1.5 kB with three marks each.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use watchglass_leak::{Detector, Needle, NeedleKind};

/// Pseudo-random bytes from a seed (Knuth's MMIX generator).
pub struct Lcg(pub u64);

impl Lcg {
    pub fn byte(&mut self) -> u8 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[1]
    }

    pub fn letters(&mut self, count: usize) -> Vec<u8> {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..count).map(|_| alphabet[usize::from(self.byte() % 32)]).collect()
    }

    /// Words of syllables, about `bytes` of them.
    pub fn prose(&mut self, bytes: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < bytes {
            for _ in 0..2 + self.byte() % 3 {
                text.push(b"bdfgklmnprstvz"[usize::from(self.byte() % 14)]);
                text.push(b"aeiou"[usize::from(self.byte() % 5)]);
            }
            text.push(if self.byte().is_multiple_of(12) { b'\n' } else { b' ' });
        }
        text
    }
}

/// The marks of document `number`.
pub fn marks(number: u32) -> [Vec<u8>; 3] {
    let mut draw = Lcg(1000 + u64::from(number));
    [draw.letters(52), draw.letters(52), draw.letters(52)]
}

/// A document with marks at its start, middle and end.
pub fn document(number: u32) -> Vec<u8> {
    let mut draw = Lcg(2000 + u64::from(number));
    let [head, middle, tail] = marks(number);
    [
        head,
        b"\n".to_vec(),
        draw.prose(650),
        middle,
        b" ".to_vec(),
        draw.prose(680),
        tail,
        b"\n".to_vec(),
    ]
    .concat()
}

/// The needles of document `number`: 10 × number + 0, 1, 2.
pub fn needles(number: u32) -> Vec<Needle> {
    let needle = |(value, id)| Needle {
        id,
        kind: NeedleKind::Mark,
        value,
        file: number.to_string().into_bytes(),
        place: format!("mark {id}"),
    };
    marks(number).into_iter().zip(number * 10..).map(needle).collect()
}

pub fn detector() -> Detector {
    Detector::build((0..10).flat_map(needles))
}

/// Something that looks like a product reporting home, with `field` in it.
pub fn envelope(field: &[u8]) -> Vec<u8> {
    let head =
        b"POST /v2/report HTTP/1.1\r\nHost: stats.example\r\nX-Id: 5f21c0\r\n\r\n\x08\x96\x01\x12";
    let length = u32::try_from(field.len()).unwrap().to_be_bytes();
    [head.as_slice(), &length, b"os=Linux;v=1.4.3;d=", field, b"&sum=0&ok=1"].concat()
}
