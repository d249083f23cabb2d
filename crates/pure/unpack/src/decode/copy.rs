//! Copies of what was made before, for the decoders that write into one piece.

/// Bytes behind its end that a copy may write over: one step of it.
pub(crate) const SPARE: usize = STEP;

/// Copies `length` bytes to `at` from `distance` bytes before, which is not before the start. Writes
/// up to [`SPARE`] bytes more than that.
#[inline]
pub(crate) fn copy(buffer: &mut [u8], at: usize, distance: usize, length: usize) {
    let end = at.wrapping_add(length);
    let (mut from, mut to) = (at.wrapping_sub(distance), at);
    if distance < STEP {
        if distance == 1 {
            let byte = buffer.get(from).copied().unwrap_or(0);
            buffer.get_mut(at..end).unwrap_or_default().fill(byte);
            return;
        }
        // What is made repeats itself: once enough of it is there, it is taken from further back.
        let begun = at.wrapping_add(length.min(STEP.wrapping_add(distance)));
        while to < begun {
            let byte = buffer.get(from).copied().unwrap_or(0);
            buffer.get_mut(to).into_iter().for_each(|place| *place = byte);
            (from, to) = (from.wrapping_add(1), to.wrapping_add(1));
        }
        let periods = STEP.div_ceil(distance.max(1));
        from = to.wrapping_sub(periods.wrapping_mul(distance));
    }
    while to < end {
        let Some(step) = buffer.get(from..).and_then(|rest| rest.first_chunk::<STEP>()).copied()
        else {
            return;
        };
        let place = buffer.get_mut(to..).and_then(|rest| rest.first_chunk_mut::<STEP>());
        place.into_iter().for_each(|place| *place = step);
        (from, to) = (from.wrapping_add(STEP), to.wrapping_add(STEP));
    }
}

const STEP: usize = 16;
