//! Functionality levels: which engines a signature is meant for.

use crate::error::LineError;
use crate::field::number;

/// The level of ClamAV 1.4.6, whose loader and matcher this engine follows. Signatures that need
/// more say so and are passed over, as are those that newer engines no longer need.
pub const FUNCTIONALITY_LEVEL: u32 = 216;

/// Passes when this engine is one of those that a line is meant for.
///
/// # Errors
/// [`LineError::Level`] otherwise.
pub(crate) fn admit(min: u32, max: u32) -> Result<(), LineError> {
    if (min..=max).contains(&FUNCTIONALITY_LEVEL) {
        Ok(())
    } else {
        Err(LineError::Level { min, max })
    }
}

/// As [`admit`], of the fields `MinFL` and `MaxFL`, each of which may be absent.
pub(crate) fn admit_fields(min: Option<&[u8]>, max: Option<&[u8]>) -> Result<(), LineError> {
    let min = min.map_or(Ok(0), |field| number("MinFL", field))?;
    let max = max.map_or(Ok(u32::MAX), |field| number("MaxFL", field))?;
    admit(min, max)
}
