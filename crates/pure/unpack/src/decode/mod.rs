//! Methods of compression: bytes in, bytes into an [`crate::output::Output`].
//!
//! Each decoder says how many bytes of its input belong to the stream, whether it ended well or not;
//! what it made before it failed stays in the output.

pub(crate) mod bits;
pub(crate) mod bzip2;
mod copy;
pub(crate) mod deflate;
pub(crate) mod implode;
pub(crate) mod lh1;
pub(crate) mod lzh;
pub(crate) mod lzma;
pub(crate) mod lzw;
pub(crate) mod lzx;
pub(crate) mod ppmd7;
pub(crate) mod prefix;
pub(crate) mod rar;
pub(crate) mod zstd;

use crate::output::Stop;
use crate::reason::NotScanned;

/// What a decoder says when it stops.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Bytes of the input that it used.
    pub(crate) used: usize,
    /// How it ended.
    pub(crate) result: Result<(), Stop>,
    /// Checks that failed while it went on.
    pub(crate) faults: Vec<NotScanned>,
}

/// Runs `step` until it says that the stream has ended. It gets what is left of the input, at most
/// [`SLICE`] bytes of it, and whether more will follow.
pub(crate) fn drive(
    input: &[u8],
    mut step: impl FnMut(&[u8], End) -> Result<Step, Stop>,
) -> Decoded {
    let mut used = 0_usize;
    loop {
        let left = input.get(used..).unwrap_or_default();
        let (now, end) = match left.split_at_checked(SLICE) {
            Some((now, later)) if !later.is_empty() => (now, End::Later),
            _ => (left, End::Here),
        };
        match step(now, end) {
            Ok(Step { read, ended }) => {
                used = used.saturating_add(read.min(now.len()));
                if ended {
                    return Decoded { used, result: Ok(()), faults: Vec::new() };
                }
            }
            Err(stop) => return Decoded { used, result: Err(stop), faults: Vec::new() },
        }
    }
}

/// What one call of a decoder did.
#[derive(Debug)]
pub(crate) struct Step {
    /// Bytes it read.
    pub(crate) read: usize,
    /// Whether the stream has ended.
    pub(crate) ended: bool,
}

/// Whether the input ends where the slice ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Here,
    Later,
}

/// Most bytes that a decoder sees at once, so that it cannot read for long without making anything
/// and without the budget being asked.
const SLICE: usize = 64 << 10;
