//! Against ruzstd, which shares no line with this decoder. Frames of zstd(1) at every level are in
//! `tests/streams.rs`.

use std::io::Read as _;

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::budget::Budget;
use crate::limits::Limits;
use crate::reason::Limit;

fn ours(input: &[u8], limits: Limits) -> (Vec<u8>, Decoded) {
    let budget = Budget::new(limits, 1 << 20, &|| false);
    let mut out = Output::new(&budget);
    let decoded = frame(input, &mut out);
    (out.finish(), decoded)
}

fn theirs(mut input: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    StreamingDecoder::new(&mut input).ok()?.read_to_end(&mut made).ok()?;
    Some(made)
}

/// Words of seven letters, some of them from far back.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut draw = Draw(seed);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let count = draw.below(30);
        if draw.below(3) == 0 && bytes.len() > 100 {
            let start = draw.below(bytes.len() - 50);
            bytes.extend_from_within(start..start + count);
        } else {
            bytes.extend((0..count).map(|_| b'a' + (draw.below(5) * draw.below(5)) as u8));
        }
    }
    bytes.truncate(length);
    bytes
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

fn packed(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

#[test]
fn gives_back_what_was_packed() {
    for (seed, length) in [(1, 0), (2, 1), (3, 4000), (4, 140_000), (5, 700_000)] {
        let content = content(seed, length);
        let frame = packed(&content);
        let (made, decoded) = ours(&[&frame[..], b"behind"].concat(), Limits::CLAMAV);
        assert_eq!(decoded.result, Ok(()), "{length}");
        assert!(made == content && decoded.used == frame.len() && decoded.faults.is_empty());
    }
}

#[test]
fn agrees_on_damaged_frames() {
    let mut draw = Draw(9);
    let mut agreed = 0;
    for seed in 0..3000 {
        let mut frame = packed(&content(seed, draw.below(2000) + 10));
        let at = 6 + draw.below(frame.len() - 6);
        frame[at] ^= 1 << draw.below(8);
        let (made, decoded) = ours(&frame, Limits::CLAMAV);
        if let Some(theirs) = theirs(&frame) {
            // It checks neither that a block's bits were all used, nor sizes, nor sums.
            if decoded.result.is_ok() {
                assert!(made == theirs, "{seed}");
                agreed += 1;
            }
        } else {
            assert!(decoded.result.is_err(), "{seed}");
        }
    }
    assert!(agreed > 100, "{agreed}");
}

#[test]
fn a_frame_that_is_cut_off_gives_what_came_before() {
    let content = content(7, 3000);
    let frame = packed(&content);
    for end in 0..frame.len() {
        let (made, decoded) = ours(&frame[..end], Limits::CLAMAV);
        assert!(decoded.result.is_err() || !decoded.faults.is_empty(), "{end}");
        assert!(content.starts_with(&made));
    }
}

#[test]
fn it_stops_at_the_limit() {
    let content = content(8, 200_000);
    let frame = packed(&content);
    for max_file_size in [1, 1000, 131_072, 131_073, 199_999] {
        let (made, decoded) = ours(&frame, Limits { max_file_size, ..Limits::CLAMAV });
        let reason = NotScanned::Limit { which: Limit::FileSize, limit: max_file_size };
        assert_eq!(decoded.result, Err(Stop::Reason(reason)));
        assert!(made == content[..max_file_size as usize]);
    }
}
