//! Against flate2's miniz_oxide, which shares no line with this decoder.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::*;
use crate::budget::Budget;
use crate::limits::Limits;
use crate::reason::{Limit, NotScanned};

fn ours(stream: &[u8]) -> (Vec<u8>, usize, Result<(), Stop>) {
    let budget = Budget::new(Limits::CLAMAV, 1 << 20, &|| false);
    let mut out = Output::new(&budget);
    let decoded = inflate(stream, &mut out);
    (out.finish(), decoded.used, decoded.result)
}

/// What the other decoder makes of a whole stream; none where it refuses it.
fn theirs(stream: &[u8], room: usize) -> Option<(Vec<u8>, usize)> {
    let mut state = Decompress::new(false);
    let mut out = Vec::with_capacity(room);
    let status = state.decompress_vec(stream, &mut out, FlushDecompress::Finish);
    (status.ok()? == Status::StreamEnd).then_some((out, state.total_in() as usize))
}

fn deflated(content: &[u8], level: u32) -> Vec<u8> {
    let mut stream = Vec::with_capacity(content.len() + 1000);
    let mut state = Compress::new(Compression::new(level), false);
    let status = state.compress_vec(content, &mut stream, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    stream
}

/// Words, runs of every period and noise.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut draw = Draw(seed);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let (period, times) = (draw.below(40) + 1, draw.below(60));
        match draw.below(3) {
            0 => bytes.extend((0..times).map(|_| draw.below(256) as u8)),
            1 => bytes.extend((0..times).map(|_| b'a' + draw.below(7) as u8)),
            _ if bytes.len() >= period => {
                (0..times * 9).for_each(|_| bytes.push(bytes[bytes.len() - period]));
            }
            _ => bytes.push(0),
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

#[test]
fn gives_back_what_was_deflated_at_every_level() {
    for seed in 0..12 {
        for length in [0, 1, 17, 300, 65_536, 65_539, 300_001] {
            let content = content(seed, length);
            let stream = deflated(&content, seed as u32 % 10);
            let behind = [&stream[..], b"behind"].concat();
            assert_eq!(ours(&behind), (content, stream.len(), Ok(())), "{seed} {length}");
        }
    }
}

#[test]
fn agrees_on_damaged_streams() {
    let mut draw = Draw(7);
    let (mut good, mut bad) = (0, 0);
    for round in 0..6000 {
        let mut stream = deflated(&content(round, draw.below(3000)), draw.below(10) as u32);
        for _ in 0..=draw.below(3) {
            let at = draw.below(stream.len());
            stream[at] ^= 1 << draw.below(8);
        }
        let (made, used, result) = ours(&stream);
        match theirs(&stream, 1 << 21) {
            Some((out, read)) => {
                assert_eq!((made, used, result), (out, read, Ok(())), "{round}");
                good += 1;
            }
            None => {
                assert!(result.is_err(), "{round}");
                bad += 1;
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} {bad}");
}

#[test]
fn a_cut_stream_gives_what_came_before() {
    let content = content(3, 5000);
    let stream = deflated(&content, 6);
    for end in 0..stream.len() {
        let (made, used, result) = ours(&stream[..end]);
        assert_eq!((result, used), (Err(bits::CUT_OFF), end), "{end}");
        assert!(content.starts_with(&made));
    }
}

#[test]
fn what_fills_the_limit_exactly_is_whole() {
    let stream = deflated(&[7; 100_000], 6);
    let run = |max_file_size| {
        let budget = Budget::new(Limits { max_file_size, ..Limits::CLAMAV }, 1, &|| false);
        let mut out = Output::new(&budget);
        let result = inflate(&stream, &mut out).result;
        (out.len(), result)
    };
    assert_eq!(run(100_000), (100_000, Ok(())));
    let reason = NotScanned::Limit { which: Limit::FileSize, limit: 99_999 };
    assert_eq!(run(99_999), (99_999, Err(Stop::Reason(reason))));
}

#[test]
fn a_window_before_the_start_is_used_only_when_continued() {
    // A fixed block: a copy of 3 bytes from 1 back, the end.
    let stream = [0x03, 0x02, 0x00];
    let budget = Budget::new(Limits::CLAMAV, 1, &|| false);
    for (read, made) in [(continued as fn(&[u8], &mut Output<'_>) -> Decoded, 4), (inflate, 1)] {
        let mut out = Output::new(&budget);
        out.push(b'x').unwrap();
        let result = read(&stream, &mut out).result;
        assert_eq!((out.len(), result.is_ok()), (made, made == 4));
    }
}
