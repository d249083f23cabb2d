//! Which of the certificates that a signature carries are trusted, and by whom.

use crate::algorithm::Algorithm;
use crate::certificate::{Certificate, KnownCertificate, Rights};
use crate::rsa::Key;
use crate::signature::Distrust;

/// The certificates of a set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Those that are trusted.
    pub trusted: &'a [KnownCertificate<'a>],
    /// Those that are held against what carries them.
    pub blocked: &'a [KnownCertificate<'a>],
}

/// Certificates that a signature carries and that are trusted.
#[derive(Debug)]
pub(crate) struct Chain<'k, 'a> {
    known: Known<'k>,
    trusted: Vec<Certificate<'a>>,
    /// Exponentiations that may still be made.
    left: u32,
}

/// Who may have signed something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) issuer: &'a [u8],
    pub(crate) serial: &'a [u8],
}

/// What the signer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Code,
    Time,
}

impl<'k, 'a> Chain<'k, 'a> {
    /// Finds those that are trusted.
    pub(crate) fn of(known: Known<'k>, carried: Vec<Certificate<'a>>) -> Result<Self, Distrust> {
        let mut chain = Self { known, trusted: Vec::new(), left: MAX_EXPONENTIATIONS };
        let mut waiting = Vec::new();
        for one in carried {
            let is_known = known.trusted.iter().any(|known| {
                one.not_before >= known.not_before
                    && known.rights.include(one.rights)
                    && one.is(known)
            });
            if is_known { chain.trusted.push(one) } else { waiting.push(one) }
        }
        // Each that is trusted may be the one above of those that were looked at before it.
        while let Some((place, rights)) = chain.next_of(&waiting)? {
            let mut one = waiting.remove(place);
            one.rights.code &= rights.code;
            one.rights.time &= rights.time;
            chain.trusted.push(one);
        }
        Ok(chain)
    }

    /// The certificate that made a signature, if it is trusted for that.
    pub(crate) fn signer(
        &mut self,
        signer: Signer<'_>,
        purpose: Purpose,
        (signature, digest, algorithm): (&[u8], &[u8], Algorithm),
    ) -> Result<Option<&Certificate<'a>>, Distrust> {
        for one in &self.trusted {
            let may = match purpose {
                Purpose::Code => one.rights.code,
                Purpose::Time => one.rights.time,
            };
            if may && one.issuer == signer.issuer && one.serial == signer.serial {
                spend(&mut self.left)?;
                if one.key.verifies(signature, digest, algorithm) {
                    return Ok(Some(one));
                }
            }
        }
        Ok(None)
    }

    /// The first that is signed by one that is trusted, with the rights of that one.
    fn next_of(
        &mut self,
        waiting: &[Certificate<'a>],
    ) -> Result<Option<(usize, Rights)>, Distrust> {
        for (place, one) in waiting.iter().enumerate() {
            if let Some(rights) = self.above(one)? {
                return Ok(Some((place, rights)));
            }
        }
        Ok(None)
    }

    /// The rights of the one that signed it: of several, of the one that lets it keep most.
    fn above(&mut self, one: &Certificate<'_>) -> Result<Option<Rights>, Distrust> {
        let issuer = Algorithm::Sha1.digest([one.issuer]);
        let known = self.known.trusted.iter().filter(|known| known.subject[..] == issuer);
        let known = known.map(|known| (Key::new(known.modulus, EXPONENT), known.rights));
        let carried = self.trusted.iter().filter(|other| other.subject == one.issuer);
        let carried = carried.map(|other| (other.key, other.rights));
        let mut best: Option<Rights> = None;
        for (key, rights) in known.chain(carried).filter(|(_, rights)| rights.certificates) {
            let count = |rights: Rights| {
                let kept = one.rights.and(rights);
                u8::from(kept.code).saturating_add(u8::from(kept.time))
            };
            if best.is_some_and(|best| count(best) >= count(rights)) {
                continue;
            }
            spend(&mut self.left)?;
            if one.is_signed_by(key) {
                best = Some(rights);
            }
        }
        Ok(best)
    }
}

fn spend(left: &mut u32) -> Result<(), Distrust> {
    *left = left.checked_sub(1).ok_or(Distrust::TooMuch)?;
    Ok(())
}

/// A chain has three to five, with the one of its time stamp twice that.
const MAX_EXPONENTIATIONS: u32 = 64;
const EXPONENT: &[u8] = &[1, 0, 1];
