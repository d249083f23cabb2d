//! A page in the portions that ClamAV reads.
//!
//! The portions can be seen in the result: white space at the start of one is dropped in any state,
//! looks ahead end where it ends, and a stretch of 8 KiB without white space is cut. So they are made
//! as `cli_readchunk` makes them, with its two oddities: where a zero byte was dropped, going back to
//! the last white space goes back by what was kept and so loses as many bytes as were dropped; and a
//! portion whose only white space is its first byte is not cut there.

/// Most bytes in one portion.
const PORTION: usize = 8191;

/// Bytes still to be read.
#[derive(Debug)]
pub(super) struct Portions<'a> {
    page: &'a [u8],
    offset: usize,
}

impl<'a> Portions<'a> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        Self { page, offset: 0 }
    }

    /// Writes the next portion over `portion`, without its zero bytes; false at the end of the page.
    pub(super) fn next_into(&mut self, portion: &mut Vec<u8>) -> bool {
        portion.clear();
        let left = self.page.get(self.offset..).unwrap_or_default();
        if left.is_empty() {
            return false;
        }
        let head = left.get(..PORTION).unwrap_or(left);
        let taken = if memchr::memchr(0, head).is_none() {
            portion.extend_from_slice(head);
            head.len()
        } else {
            take_without_zeros(left, portion)
        };
        let unread = match left.get(taken) {
            Some(next) if !is_space(*next) => after_last_space(portion),
            _ => 0,
        };
        portion.truncate(portion.len().saturating_sub(unread));
        self.offset = self.offset.saturating_add(taken).saturating_sub(unread);
        true
    }
}

/// Fills `portion` from `left` and tells how many bytes that took.
fn take_without_zeros(left: &[u8], portion: &mut Vec<u8>) -> usize {
    let mut taken = 0_usize;
    for byte in left {
        if portion.len() >= PORTION {
            break;
        }
        taken = taken.saturating_add(1);
        if *byte != 0 {
            portion.push(*byte);
        }
    }
    taken
}

/// Bytes after the last white space; none when there is no white space but in front.
fn after_last_space(portion: &[u8]) -> usize {
    match portion.iter().rposition(|byte| is_space(*byte)) {
        Some(at) if at > 0 => portion.len().saturating_sub(at).saturating_sub(1),
        _ => 0,
    }
}

/// `isspace` of the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &[u8], expect: &[&[u8]]) {
        let mut portions = Portions::new(page);
        let mut portion = b"left over".to_vec();
        let mut found = Vec::new();
        while portions.next_into(&mut portion) {
            found.push(portion.clone());
        }
        assert!(found == expect, "{} portions", found.len());
    }

    #[test]
    fn a_long_page_is_cut_after_white_space() {
        check(b"", &[]);
        check(b"one two", &[b"one two"]);
        let word = vec![b'w'; 5000];
        let page = [&word[..], b" ", &word, b"\n", &word].concat();
        let (first, last) = ([&word[..], b" "].concat(), [&word[..], b"\n"].concat());
        check(&page, &[&first, &last, &word]);
    }

    #[test]
    fn what_has_no_white_space_is_cut_anywhere() {
        let page = vec![b'w'; 20_000];
        check(&page, &[&page[..8191], &page[..8191], &page[..3618]]);
        let page = [b" ", &page[..8191]].concat();
        check(&page, &[&page[..8191], b"w"]);
    }

    #[test]
    fn zero_bytes_are_dropped_and_going_back_loses_as_many() {
        check(b"a\0b\0\0c\0", &[b"abc"]);
        check(b"\0\0", &[b""]);
        let page = [&vec![b'w'; 8187][..], b" ", b"a\0bcdef"].concat();
        check(&page, &[&page[..8188], b"\0bcdef".as_slice().get(1..).unwrap()]);
    }
}
