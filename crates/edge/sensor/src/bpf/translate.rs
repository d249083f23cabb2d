//! From records of the probe to events: what needs nothing but the record itself.

use watchglass_events::{Access, Act, Direction, Name, Peer, What};

use super::paths::{self, Root};
use super::record::{FLAG_MORE_MESSAGES, Kind, PATH, PATH_2, Record, STRING, STRING_2};
use super::{numbers, peers};
use crate::own_folder;

/// The events of a system call, message or hook.
pub(super) fn events(record: &Record<'_>, root: Option<&Root>) -> Vec<What> {
    match record.kind {
        Kind::Call => call(record, root),
        Kind::Message => message(record),
        Kind::HookSocket => vec![made(record, record.object.family, record.object.kind)],
        Kind::HookConnect => {
            peers::of(record).map(|peer| connected(record, peer)).into_iter().collect()
        }
        Kind::HookBind => vec![bound(record)],
        Kind::HookDatagram => vec![sent(record, 0)],
        Kind::Move => vec![moved(record)],
        Kind::Ring => vec![ring_request(record)],
        Kind::Transfer | Kind::Fork | Kind::Exec | Kind::Exit | Kind::Foreign | Kind::Tls => {
            Vec::new()
        }
    }
}

fn call(record: &Record<'_>, root: Option<&Root>) -> Vec<What> {
    match record.call {
        2 | 85 | 257 | 437 => vec![opened(record)],
        304 => vec![opened(record), attempted(record)],
        9 => mapped(record).into_iter().collect(),
        41 => vec![made(record, low_16(record.argument[0]), low_16(record.argument[1]))],
        53 => vec![made(record, low_16(record.argument[0]), low_16(record.argument[1]))],
        42 => peers::of(record).map(|peer| connected(record, peer)).into_iter().collect(),
        43 | 288 => accepted(record).into_iter().collect(),
        44 | 46 | 307 => vec![sent(record, 0)],
        49 => vec![bound(record)],
        call if numbers::act(call).is_some() => vec![attempted(record)],
        call => match numbers::path_operation(call, record.argument[2]) {
            Some(operation) => vec![changed(record, operation, root)],
            None => vec![refused(record)],
        },
    }
}

fn opened(record: &Record<'_>) -> What {
    let claimed = Name::new(paths::string(record.parts[STRING]));
    let access = access(record);
    let error = record.error();
    match paths::resolved(record, PATH) {
        Some(path) if error.is_none() => {
            let path = own_folder(record, path);
            let differs = claimed != path && !claimed.as_bytes().is_empty();
            let claimed = differs.then_some(claimed);
            What::Opened { path, claimed, file: paths::file(record), access, error }
        }
        // It failed, or another thread took the descriptor away before the call returned.
        _ => What::Opened { path: claimed, claimed: None, file: None, access, error },
    }
}

fn own_folder(record: &Record<'_>, path: Name) -> Name {
    let [.., level, number] = record.argument;
    let lasting = (record.object.magic == MAGIC_PROC && own_folder::is_of_world(level))
        .then(|| own_folder::lasting(path.as_bytes(), number));
    lasting.flatten().map_or(path, Name::new)
}

/// For what a file was opened: its own flags where it is open, else those that were asked for.
/// `O_CREAT` and `O_TRUNC` are not kept in the file, so they are always those asked for.
fn access(record: &Record<'_>) -> Access {
    let asked = match record.call {
        85 => O_CREAT | O_TRUNC | O_WRONLY,
        2 => record.argument[1],
        437 => record.argument[3],
        _ => record.argument[2],
    };
    let open = record.object.inode != 0;
    let flags = if open { record.object.open_flags.into() } else { asked };
    let path_only = flags & O_PATH != 0;
    let mode = flags & O_ACCMODE;
    Access {
        read: !path_only && mode != O_WRONLY,
        write: !path_only && matches!(mode, O_WRONLY | O_RDWR),
        create: asked & O_CREAT != 0,
        truncate: asked & O_TRUNC != 0,
        path_only,
    }
}

fn mapped(record: &Record<'_>) -> Option<What> {
    let [_, bytes, protection, flags, ..] = record.argument;
    Some(What::Mapped {
        file: paths::file(record)?,
        path: paths::resolved(record, PATH),
        bytes,
        executable: protection & PROT_EXEC != 0,
        shared_write: flags & MAP_SHARED != 0 && protection & PROT_WRITE != 0,
    })
}

fn changed(
    record: &Record<'_>,
    operation: watchglass_events::PathOperation,
    root: Option<&Root>,
) -> What {
    use watchglass_events::PathOperation::{Link, Rename, Symlink};
    let path = place(record, PATH, STRING, root);
    let other = match operation {
        Rename | Link => Some(place(record, PATH_2, STRING_2, root)),
        // What the link says is no path of its own, so it stays as it was passed.
        Symlink => Some(Name::new(paths::string(record.parts[STRING_2]))),
        _ => None,
    };
    What::PathChanged { operation, path, other, error: record.error() }
}

fn place(record: &Record<'_>, path: usize, name: usize, root: Option<&Root>) -> Name {
    let base = paths::resolved(record, path);
    let name = record.parts.get(name).copied().unwrap_or_default();
    match (base, paths::string(name)) {
        (Some(base), b"") => base,
        (base, name) => paths::named(base.as_ref(), name, root),
    }
}

fn made(record: &Record<'_>, family: u16, kind: u16) -> What {
    What::SocketMade {
        socket: peers::socket(record),
        family,
        kind: kind & SOCKET_KIND,
        protocol: match record.kind {
            Kind::HookSocket => record.object.protocol,
            _ => low_16(record.argument[2]),
        },
        error: record.error(),
    }
}

fn bound(record: &Record<'_>) -> What {
    let address = peers::of(record).unwrap_or_else(|| Peer::Unix(Name::default()));
    What::Bound { socket: peers::socket(record), address, error: record.error() }
}

fn connected(record: &Record<'_>, peer: Peer) -> What {
    let error = record.error().filter(|&number| number != EINPROGRESS);
    What::Connected { socket: peers::socket(record), peer, error }
}

fn accepted(record: &Record<'_>) -> Option<What> {
    if record.error().is_some() {
        return None;
    }
    Some(What::Accepted { socket: peers::socket(record), peer: peers::of(record) })
}

fn sent(record: &Record<'_>, bytes: u64) -> What {
    What::Sent {
        socket: peers::socket(record),
        peer: peers::of(record),
        bytes,
        calls: 1,
        error: record.error(),
    }
}

/// A message with an address or with descriptors.
fn message(record: &Record<'_>) -> Vec<What> {
    let [.., rights, direction] = record.argument;
    let socket = peers::socket(record);
    let bytes = record.result.try_into().unwrap_or(0);
    let direction = if direction == 0 { Direction::Received } else { Direction::Sent };
    let mut events = vec![match direction {
        Direction::Sent => sent(record, bytes),
        Direction::Received => What::Received { socket, peer: peers::of(record), bytes, calls: 1 },
    }];
    if rights > 0 {
        let count = u32::try_from(rights).unwrap_or(u32::MAX);
        events.push(What::DescriptorsPassed { socket, direction, count });
    }
    if record.flags & FLAG_MORE_MESSAGES != 0 {
        let text = "one call sent or received more than 64 messages; the rest is not recorded";
        events.push(What::Noted { text: text.to_owned() });
    }
    events
}

fn attempted(record: &Record<'_>) -> What {
    let act = numbers::act(record.call).unwrap_or(Act::Namespace);
    What::Attempted { act, detail: detail(record), error: record.error() }
}

/// A call with its arguments, strings last. Those are the subject's, so they are shown as names are.
fn detail(record: &Record<'_>) -> String {
    let [a, b, c, d, ..] = record.argument;
    let mut text =
        format!("{}({a:#x}, {b:#x}, {c:#x}, {d:#x})", numbers::name_or_number(record.call));
    for part in [STRING, STRING_2] {
        let string = record.parts.get(part).copied().unwrap_or_default();
        if !string.is_empty() && record.call != 304 {
            text.push_str(&format!(" {:?}", Name::new(paths::string(string))));
        }
    }
    text
}

fn refused(record: &Record<'_>) -> What {
    let text = format!("{}; EPERM, by the world's filter or by the kernel itself", detail(record));
    What::Refused { call: numbers::name_or_number(record.call), detail: text }
}

fn moved(record: &Record<'_>) -> What {
    let to = Name::new(paths::string(record.parts[STRING]));
    let detail = format!("process {} to the cgroup {to:?}", record.argument[0]);
    What::Attempted { act: Act::MoveCgroup, detail, error: None }
}

fn ring_request(record: &Record<'_>) -> What {
    let mut detail = numbers::ring_operation(record.argument[0]);
    let name = record.parts[STRING];
    if !name.is_empty() {
        detail.push_str(&format!(" {:?}", Name::new(paths::string(name))));
    }
    What::Attempted { act: Act::IoUring, detail, error: None }
}

/// Arguments of a program, as they stand in its memory: each ends with a zero byte. What was cut off
/// is left out.
pub(super) fn argv(bytes: &[u8]) -> Vec<Name> {
    let mut arguments: Vec<Name> = bytes.split(|&byte| byte == 0).map(Name::new).collect();
    // What follows the last zero byte: nothing, or an argument that did not fit.
    let last = arguments.pop();
    if arguments.is_empty() { last.into_iter().collect() } else { arguments }
}

/// The lowest 16 bits of an argument, which are all that its numbers use.
fn low_16(argument: u64) -> u16 {
    let [low, high, ..] = argument.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// linux/magic.h.
const MAGIC_PROC: u32 = 0x9fa0;
const O_ACCMODE: u64 = 3;
const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o1000_0000;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;
/// Above it stand SOCK_NONBLOCK and SOCK_CLOEXEC.
const SOCKET_KIND: u16 = 0xf;
const EINPROGRESS: i32 = 115;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_were_cut_off_are_left_out() {
        let names =
            |bytes: &[u8]| -> Vec<String> { argv(bytes).iter().map(ToString::to_string).collect() };
        assert_eq!(names(b"cat\0-n\0"), ["cat", "-n"]);
        assert_eq!(names(b"cat\0\0"), ["cat", ""]);
        assert_eq!(names(b"cat\0lon"), ["cat"]);
        assert_eq!(names(b"lon"), ["lon"]);
    }
}
