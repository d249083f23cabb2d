//! Feeds hostile bytes to every parser.
//!
//! A target is a function from bytes to nothing: it must return, in bounded time and memory, and
//! may assert what holds of every input. The engine (`fuzz_targets`) looks for inputs that break it;
//! `tests/replay.rs` runs it over the inputs that are kept, on any machine, in `./x test`.

use watchglass_bytes::Reader;
use watchglass_events::log::{self, LogWriter, MAGIC};

/// A target.
pub type Target = fn(&[u8]);

/// Every target under its name, which is also the name of its folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[("bytes", bytes), ("event_log", event_log)];

/// The bounded reader: whatever is asked of it, it stays within its bytes and says how many are
/// left. The first bytes are the script of what is asked, the rest is what is read.
pub fn bytes(data: &[u8]) {
    let Some((script, data)) = data.split_at_checked(8.min(data.len() / 2)) else { return };
    let mut reader = Reader::new(data);
    for &step in script {
        let before = reader.left();
        let read = match step % 4 {
            0 => reader.take("field", usize::from(step / 4)).map(<[u8]>::len),
            1 => reader.array::<4>("field").map(|array| array.len()),
            2 => reader.u64_le("field").map(|_| 8),
            _ => reader.sub("field", usize::from(step / 4)).map(|child| child.left()),
        };
        // What could not be read was not taken either.
        assert_eq!(before - reader.left(), read.unwrap_or(0));
    }
}

/// The event log: what parses whole is written again to the same events, and a log that is followed
/// by nothing of its own has the bytes that it was written from.
pub fn event_log(data: &[u8]) {
    let sealed = [MAGIC.as_slice(), data].concat();
    for bytes in [data, &sealed] {
        let Ok(log) = log::parse(bytes) else { continue };
        let Some(first) = log.events.first() else { continue };
        let Ok(mut writer) = LogWriter::new(Vec::new(), first.source) else { continue };
        for event in &log.events {
            let again = event.clone();
            writer
                .append_from(again.source, again.at_ns, again.actor, again.what)
                .expect("what was parsed is within the limits of a record");
        }
        let written = writer.finish().expect("a vector takes every byte");
        let again = log::parse(&written).expect("what was just written is a log");
        assert_eq!(again.events, log.events);
    }
}
