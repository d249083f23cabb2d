//! Deflate64, the deflate of zip method 9, with a window of 64 KiB.

use deflate64::InflaterManaged;

use super::{Decoded, Step, drive};
use crate::output::{Output, Stop};

/// Inflates one stream.
pub(crate) fn inflate(input: &[u8], out: &mut Output<'_>) -> Decoded {
    let mut state = InflaterManaged::new();
    drive(input, |slice, _| {
        let (result, made) = out.fill(CHUNK, |room| {
            let result = state.inflate(slice, room);
            let made = result.bytes_written;
            (made, (result, made))
        })?;
        out.read(result.bytes_consumed)?;
        if result.data_error || state.errored() {
            return Err(Stop::Damaged("not a deflate64 stream"));
        }
        if state.finished() {
            return Ok(Step { read: result.bytes_consumed, ended: true });
        }
        if result.bytes_consumed == 0 && made == 0 {
            return Err(Stop::Damaged("the deflate64 stream does not end"));
        }
        Ok(Step { read: result.bytes_consumed, ended: false })
    })
}

const CHUNK: usize = 64 << 10;
