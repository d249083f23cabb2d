//! Every update tells the server which installation it is. ExfilBench M01, ATT&CK T1082.
//!
//! A random number is made at the first start, kept, and sent as part of `User-Agent`, which is
//! claimed to be the same everywhere. The twin's `User-Agent` is.

use std::io;

use super::{Conduct, Trouble};
use crate::lab::Lab;
use crate::send::USER_AGENT;

/// Sends its number.
#[derive(Debug)]
struct Misdeed(Lab);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(lab))
}

impl Conduct for Misdeed {
    fn user_agent(&mut self) -> Result<String, Trouble> {
        // Refused here unless the update server has a documentation address.
        self.0.update_server()?;
        Ok(format!("{USER_AGENT} ({})", self.identifier()?))
    }
}

impl Misdeed {
    fn identifier(&self) -> io::Result<String> {
        let folder = &self.0.configuration().updater_state;
        let path = folder.join("identifier");
        if let Ok(identifier) = std::fs::read_to_string(&path) {
            return Ok(identifier);
        }
        let identifier = random_uuid()?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, &identifier)?;
        Ok(identifier)
    }
}

/// A UUID of version 4 (RFC 9562 §5.4).
fn random_uuid() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = data_encoding::HEXLOWER.encode(&bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_random_uuid() {
        let uuid = random_uuid().unwrap();
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(uuid[14..].starts_with('4'));
        assert_ne!(uuid, random_uuid().unwrap());
    }
}
