//! What no scanner can go below: the part of `cargo xtask measure engine` that reads, hashes and
//! inflates, and does nothing else.
//!
//! ```text
//! floor LIST    of each file whose path is a line of LIST
//! ```
//!
//! Three passes: the first reads each file, the second hashes it too (SHA-256), the third inflates
//! what is packed in it as well: gzip, xz, bzip2, the members of zip and of Debian packages. One level
//! deep, with decoders that are not ours, and what comes out is thrown away. Prints lines of a name
//! and a number.
#![expect(clippy::print_stdout, reason = "it prints figures")]

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let list = std::env::args_os().nth(1).ok_or("see the head of this file")?;
    let list = std::fs::read(list)?;
    let paths = list.split(|byte| *byte == b'\n').filter(|path| !path.is_empty());
    let paths: Vec<&Path> = paths.map(|path| Path::new(OsStr::from_bytes(path))).collect();
    pass("read", &paths, &mut |_| {})?;
    let mut hashed = [0; 32];
    pass("hashed", &paths, &mut |bytes| hashed = Sha256::digest(bytes).into())?;
    let mut inflated = Inflated::default();
    pass("inflated", &paths, &mut |bytes| {
        hashed = Sha256::digest(bytes).into();
        inflated.file(bytes);
    })?;
    println!("inflated_bytes {}", inflated.bytes);
    println!("inflated_parts {}", inflated.parts);
    println!("broken_parts {}", inflated.broken);
    // So that no hash is left out as unused.
    std::hint::black_box(hashed);
    Ok(())
}

fn pass(name: &str, paths: &[&Path], act: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let (began, cpu, mut bytes) = (Instant::now(), cpu_s(), Vec::new());
    for path in paths {
        bytes.clear();
        std::fs::File::open(path)?.read_to_end(&mut bytes)?;
        act(&bytes);
    }
    println!("{name}_cpu_s {:.6}", cpu_s() - cpu);
    println!("{name}_wall_s {:.6}", began.elapsed().as_secs_f64());
    Ok(())
}

/// Seconds of processors that this process took.
fn cpu_s() -> f64 {
    std::time::Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))
        .map_or(f64::NAN, |time| time.as_secs_f64())
}

/// What came out.
#[derive(Default)]
struct Inflated {
    bytes: u64,
    parts: u64,
    /// Parts that are damaged, or packed otherwise.
    broken: u64,
}

impl Inflated {
    fn file(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"PK\x03\x04") {
            self.zip(bytes);
        } else if bytes.starts_with(b"!<arch>\n") {
            self.debian(bytes);
        } else {
            self.stream(bytes);
        }
    }

    fn stream(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"\x1f\x8b") {
            self.drain(flate2::read::MultiGzDecoder::new(bytes));
        } else if bytes.starts_with(b"\xfd7zXZ\0") {
            self.drain(lzma_rust2::XzReader::new(bytes, true));
        } else if bytes.starts_with(b"BZh") {
            self.drain(bzip2_rs::DecoderReader::new(bytes));
        }
    }

    fn drain(&mut self, mut reader: impl Read) {
        self.parts += 1;
        match io::copy(&mut reader, &mut io::sink()) {
            Ok(bytes) => self.bytes += bytes,
            Err(_) => self.broken += 1,
        }
    }

    /// By the directory at its end (APPNOTE.TXT, 4.3.12 and 4.3.16).
    fn zip(&mut self, bytes: &[u8]) {
        let end = bytes.windows(4).rposition(|four| four == b"PK\x05\x06");
        let Some(mut at) = end.and_then(|end| number(bytes, end + 16, 4)) else { return };
        while bytes.get(at..at + 4) == Some(b"PK\x01\x02") {
            let Some((next, method, packed)) = zip_member(bytes, at) else { return };
            match (method, packed) {
                (0, _) => {}
                (8, Some(packed)) => self.drain(flate2::read::DeflateDecoder::new(packed)),
                _ => self.broken += 1,
            }
            at = next;
        }
    }

    /// The members of a Debian package (ar, deb(5)).
    fn debian(&mut self, bytes: &[u8]) {
        let mut at = 8;
        while let Some(header) = bytes.get(at..at + 60) {
            let size =
                std::str::from_utf8(&header[48..58]).ok().and_then(|size| size.trim().parse().ok());
            let Some(size): Option<usize> = size else { return };
            at += 60;
            self.stream(bytes.get(at..at.saturating_add(size)).unwrap_or_default());
            at = at.saturating_add(size).next_multiple_of(2);
        }
    }
}

/// The entry of the directory at a place: where the next one is, the method, the packed bytes.
fn zip_member(bytes: &[u8], at: usize) -> Option<(usize, usize, Option<&[u8]>)> {
    let of = |place, width| number(bytes, at + place, width);
    let (method, size, local) = (of(10, 2)?, of(20, 4)?, of(42, 4)?);
    let next = at + 46 + of(28, 2)? + of(30, 2)? + of(32, 2)?;
    let packed = number(bytes, local + 26, 2)
        .zip(number(bytes, local + 28, 2))
        .map(|(name, extra)| local + 30 + name + extra)
        .and_then(|start| bytes.get(start..start.checked_add(size)?));
    Some((next, method, packed))
}

/// A little-endian number of at most four bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
