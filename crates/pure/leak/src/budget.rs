//! What a search may cost.

/// What one search may cost; everything it decodes shares it, so nesting cannot multiply it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most bytes of the searched stream itself. A [`crate::Searcher`] holds as many in memory.
    pub input_bytes: usize,
    /// Most bytes that decoders may produce in all. They are the most that the search holds in
    /// memory besides the stream.
    pub decoded_bytes: usize,
    /// Most decoders one after another.
    pub depth: usize,
    /// Most attempts: one for each decoder started, for each 64 bytes that one reads, and for each
    /// place where a spelling is compared.
    pub steps: u64,
}

impl Budget {
    /// 256 MiB of input, 256 MiB decoded, four decoders deep, 50 million attempts: for
    /// what a product sends, well under a second; some minutes at worst.
    pub const STANDARD: Self =
        Self { input_bytes: 256 << 20, decoded_bytes: 256 << 20, depth: 4, steps: 50_000_000 };
}

impl Default for Budget {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Which part of the [`Budget`] ran out. A search that ran out is inconclusive, never clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exhausted {
    /// The stream is longer than [`Budget::input_bytes`]; what follows was not searched.
    Input,
    /// Decoders had more to say than [`Budget::decoded_bytes`], as a decompression bomb has.
    Decoded,
    /// More than [`Budget::steps`] attempts.
    Steps,
}

const READ_BYTES_PER_STEP: usize = 64;

/// What is left of a budget.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: usize,
    steps: u64,
    exhausted: Option<Exhausted>,
}

impl Allowance {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { bytes: budget.decoded_bytes, steps: budget.steps, exhausted: None }
    }

    /// Bytes that decoders may still produce.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pays for `bytes`, or notes that they cannot be paid.
    pub(crate) fn pay_bytes(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => self.run_out(Exhausted::Decoded),
        }
    }

    /// Pays for one attempt, or notes that it cannot be paid.
    pub(crate) fn pay_step(&mut self) -> bool {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => self.run_out(Exhausted::Steps),
        }
    }

    /// Pays for `bytes` that a decoder read. It may read many and make nothing.
    pub(crate) fn pay_read(&mut self, bytes: usize) {
        let steps = u64::try_from(bytes / READ_BYTES_PER_STEP).unwrap_or(u64::MAX);
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => {
                self.steps = 0;
                self.run_out(Exhausted::Steps);
            }
        }
    }

    /// Notes what ran out; the first thing stays.
    pub(crate) fn run_out(&mut self, what: Exhausted) -> bool {
        self.exhausted.get_or_insert(what);
        false
    }

    pub(crate) fn exhausted(&self) -> Option<Exhausted> {
        self.exhausted
    }
}
