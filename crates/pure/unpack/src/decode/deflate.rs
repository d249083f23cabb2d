//! Deflate, RFC 1951.

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Decoded, Step, drive};
use crate::output::{Output, Stop};

/// Inflates one stream.
pub(crate) fn inflate(input: &[u8], out: &mut Output<'_>) -> Decoded {
    run(&mut Inflate::new(false, WINDOW_BITS), input, out)
}

/// Inflates one stream that may copy from what the output holds.
pub(crate) fn continued(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let mut state = Inflate::new(false, WINDOW_BITS);
    let window = out.bytes().len().saturating_sub(1 << WINDOW_BITS);
    if state.set_dictionary(out.bytes().get(window..).unwrap_or_default()).is_err() {
        let result = Err(Stop::Damaged("window of deflate"));
        return Decoded { used: 0, result, faults: Vec::new() };
    }
    run(&mut state, input, out)
}

fn run(state: &mut Inflate, input: &[u8], out: &mut Output<'_>) -> Decoded {
    drive(input, |slice, _| {
        let (read, made) = (state.total_in(), state.total_out());
        let status = out.fill(usize::MAX, |room| {
            let status = state.decompress(slice, room, InflateFlush::NoFlush);
            (difference(state.total_out(), made), status)
        })?;
        let read = difference(state.total_in(), read);
        out.read(read)?;
        match status {
            Ok(Status::StreamEnd) => Ok(Step { read, ended: true }),
            Ok(_) if read == 0 && state.total_out() == made => {
                Err(Stop::Damaged("the deflate stream does not end"))
            }
            Ok(_) => Ok(Step { read, ended: false }),
            Err(_) => Err(Stop::Damaged("not a deflate stream")),
        }
    })
}

fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}

/// RFC 1951 has one window, of 32 KiB.
const WINDOW_BITS: u8 = 15;
