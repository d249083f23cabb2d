//! Random choices that follow from a seed.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// The 32 bytes that everything planted in one world follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// HMAC-SHA-256 of `parts` under the seed, each part with its length so that no two lists of
    /// parts are the same bytes.
    pub(crate) fn derive(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// An endless row of random bytes: SHA-256 of a key and a counter.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    key: [u8; 32],
    counter: u64,
    block: std::array::IntoIter<u8, 32>,
}

impl Draw {
    /// The row of bytes that `purpose` names.
    pub(crate) fn new(seed: &Seed, purpose: &[&[u8]]) -> Self {
        let key = seed.derive(purpose);
        Self { key, counter: 0, block: block(&key, 0).into_iter() }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        if let Some(byte) = self.block.next() {
            return byte;
        }
        self.counter = self.counter.wrapping_add(1);
        self.block = block(&self.key, self.counter).into_iter();
        self.block.next().unwrap_or_default()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// A number below `limit`, which is not 0. The bias of 2⁻³² times the limit is of no matter here.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        let drawn = u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]);
        let scaled = u64::from(drawn).wrapping_mul(u64::from(limit)) >> 32;
        u32::try_from(scaled).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u32, to: u32) -> u32 {
        let span = to.saturating_sub(from).saturating_add(1);
        from.saturating_add(self.below(span))
    }

    pub(crate) fn size(&mut self, from: u32, to: u32) -> usize {
        usize::try_from(self.between(from, to)).unwrap_or(usize::MAX)
    }

    /// Whether the one case in `cases` came up.
    pub(crate) fn one_in(&mut self, cases: u32) -> bool {
        self.below(cases) == 0
    }

    /// One of `choices`, which are not none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        let chosen = usize::try_from(self.below(count)).unwrap_or(0);
        choices.get(chosen).expect("callers pick from something")
    }

    /// `count` of `alphabet`.
    pub(crate) fn letters(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(*self.pick(alphabet))).collect()
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        self.letters(b"0123456789abcdef", digits)
    }
}

fn block(key: &[u8; 32], counter: u64) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(counter.to_le_bytes()).finalize().into()
}
