//! The chain of filters of a stream, ISO 32000-2 section 7.4.

use std::borrow::Cow;

use super::codecs::{ascii_85, ascii_hex, flate, lzw, run_length};
use super::document::Document;
use super::predictor::Predictor;
use super::syntax::{Dictionary, Value};
use crate::budget::Budget;
use crate::decode::Decoded;
use crate::output::Output;
use crate::reason::NotScanned;

/// What is to be undone, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    filters: Vec<Filter>,
    /// Why it is not undone to its end.
    refused: Option<&'static str>,
    /// The crypt filter that the stream names for itself.
    pub(super) crypt: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Flate,
    Lzw { is_early: bool },
    Ascii85,
    AsciiHex,
    RunLength,
    Predictor(Predictor),
}

/// Whether the rows of images are turned back; whoever wants pictures does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Undo,
    Leave,
}

/// What a chain made.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// How many bytes of the stream the first filter used, where that found its own end.
    pub(super) used: Option<usize>,
    /// What went wrong first.
    pub(super) reason: Option<NotScanned>,
}

impl Chain {
    /// The chains that a dictionary can mean: by the first of its keys and by the last.
    pub(super) fn all(document: &Document<'_>, stream: &Dictionary<'_>, rows: Rows) -> Vec<Self> {
        let parms = stream.last(b"DecodeParms").or_else(|| stream.last(b"DP"));
        let parms = parms.map(|parms| document.resolve(parms)).and_then(|mut all| all.pop());
        let keys = [stream.all(b"Filter").next_back(), stream.all(b"Filter").next()];
        let values = keys.into_iter().flatten().flat_map(|value| {
            let mut all = document.resolve(value);
            all.reverse();
            all
        });
        let mut chains: Vec<Self> = Vec::new();
        for value in values {
            let chain = Self::of(document, &value, parms.as_ref(), rows);
            if !chains.contains(&chain) && chains.len() < MAX_CHAINS {
                chains.push(chain);
            }
        }
        if chains.is_empty() {
            chains.push(Self::default());
        }
        chains
    }

    fn of(
        document: &Document<'_>,
        filters: &Value<'_>,
        parms: Option<&Value<'_>>,
        rows: Rows,
    ) -> Self {
        let filters = match filters {
            Value::Array(filters) => filters.as_slice(),
            other => std::slice::from_ref(other),
        };
        let mut chain = Self::default();
        for (index, filter) in filters.iter().enumerate() {
            if index >= MAX_FILTERS {
                chain.refused = Some("a stream with more than 64 filters");
                break;
            }
            let parms = match parms {
                Some(Value::Array(all)) => all.get(index),
                other => other.filter(|_| index == 0),
            };
            let parms = parms.and_then(|parms| document.resolve(parms).pop());
            let parms = parms.as_ref().and_then(Value::dictionary);
            let Some(Value::Name(name)) = document.resolve(filter).pop() else { continue };
            if !chain.add(&name, parms, rows) {
                break;
            }
        }
        chain
    }

    /// Adds a filter; false where the rest is not undone.
    fn add(&mut self, name: &[u8], parms: Option<&Dictionary<'_>>, rows: Rows) -> bool {
        let early = parms.and_then(|parms| parms.integer(b"EarlyChange"));
        let filter = match name {
            b"FlateDecode" | b"Fl" => Filter::Flate,
            b"LZWDecode" | b"LZW" => Filter::Lzw { is_early: early != Some(0) },
            b"ASCII85Decode" | b"A85" => Filter::Ascii85,
            b"ASCIIHexDecode" | b"AHx" => Filter::AsciiHex,
            b"RunLengthDecode" | b"RL" => Filter::RunLength,
            b"Crypt" => {
                let name = parms.and_then(|parms| parms.last(b"Name"));
                let Some(Value::Name(name)) = name else {
                    self.crypt = Some(b"Identity".to_vec());
                    return true;
                };
                self.crypt = Some(name.to_vec());
                return true;
            }
            // Pictures are given as they are; each is a file format of its own.
            b"DCTDecode" | b"DCT" | b"JPXDecode" | b"CCITTFaxDecode" | b"CCF" | b"JBIG2Decode" => {
                return false;
            }
            b"BrotliDecode" => {
                self.refused = Some("brotli (a filter of PDF)");
                return false;
            }
            _ => {
                self.refused = Some("a filter that PDF does not have");
                return false;
            }
        };
        self.filters.push(filter);
        let has_rows = matches!(filter, Filter::Flate | Filter::Lzw { .. });
        if has_rows && rows == Rows::Undo {
            let predictor = parms.and_then(Predictor::of);
            self.filters.extend(predictor.map(Filter::Predictor));
        }
        true
    }

    /// Whether nothing but a stream of this kind comes out of it well.
    pub(super) fn is_telling(&self) -> bool {
        self.filters.contains(&Filter::Flate)
    }

    /// Whether the stream stands in the file as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Undoes the filters. What one could not read to its end is handed on as far as it came.
    /// `offset` is where the stream stands. Pays for work alone; the content is paid for by whoever
    /// gives it.
    pub(super) fn undo<'r>(
        &self,
        raw: Cow<'r, [u8]>,
        offset: u64,
        budget: &Budget<'_>,
    ) -> Made<'r> {
        let mut made = Made { bytes: raw, used: None, reason: None };
        for (index, filter) in self.filters.iter().enumerate() {
            let mut out = Output::unpaid(budget);
            let decoded = filter.undo(&made.bytes, &mut out);
            made.bytes = Cow::Owned(out.finish());
            if index == 0 {
                made.used = decoded.result.is_ok().then_some(decoded.used);
            }
            if let Err(stop) = decoded.result {
                let used = if index == 0 { crate::budget::to_u64(decoded.used) } else { 0 };
                made.reason.get_or_insert(stop.at(offset.saturating_add(used)));
            }
            if budget.go_on().is_err() {
                break;
            }
        }
        if let Some(what) = self.refused {
            made.reason.get_or_insert(NotScanned::NotSupported { what });
        }
        made
    }
}

impl Filter {
    fn undo(self, input: &[u8], out: &mut Output<'_>) -> Decoded {
        match self {
            Self::Flate => flate(input, out),
            Self::Lzw { is_early } => lzw(input, is_early, out),
            Self::Ascii85 => ascii_85(input, out),
            Self::AsciiHex => ascii_hex(input, out),
            Self::RunLength => run_length(input, out),
            Self::Predictor(predictor) => predictor.undo(input, out),
        }
    }
}

/// Filters on one stream, as in ClamAV. Writers use one or two.
const MAX_FILTERS: usize = 64;
/// Chains that are tried for one stream.
const MAX_CHAINS: usize = 4;
