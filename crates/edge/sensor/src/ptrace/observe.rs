//! Turns one system call into records: what must be read before it runs, and what after.

use watchglass_events::{Access, PathOperation};
use watchglass_events::{Act, Actor, Direction, FileId, FileKind, Name, Peer, SocketId, What};

use super::calls::{CloneForm, Entry, Form, Kind, Word};
use super::peek::{Peek, Seen};
use super::record::{Recorder, Trouble, now_ns};
use super::subject::Subject;
use super::tally::Key;

/// Looks at one stopped thread.
#[derive(Debug)]
pub(super) struct Observer<'a> {
    pub(super) peek: &'a mut Peek,
    pub(super) recorder: &'a mut Recorder,
    /// Its process.
    pub(super) subject: &'a mut Subject,
    pub(super) actor: Actor,
}

/// A call that runs, until it returns.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) entry: &'static Entry,
    pub(super) arguments: [u64; 6],
    pub(super) before: Before,
}

/// What was read before a call, because the call or another thread may change it.
#[derive(Debug)]
pub(super) enum Before {
    Nothing,
    Open { claimed: Option<Name>, access: Access },
    Paths { operation: PathOperation, path: Name, other: Option<Name> },
    Program(Name),
    Descriptor(Option<Seen>),
    Peer(Option<Peer>),
    Messages(Vec<Outgoing>),
    Words(String),
}

/// A message about to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) peer: Option<Peer>,
    pub(super) descriptors: u32,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Value(u64),
    Failed(i32),
    /// The kernel will make the same call again after a signal.
    Again,
    /// The thread died in the call, which may or may not have had its effect.
    Unknown,
}

impl Returned {
    pub(super) fn of(result: i64) -> Self {
        match i32::try_from(result) {
            Ok(errno @ -517..=-512) if errno != -515 => Self::Again,
            Ok(errno @ -4095..=-1) => Self::Failed(-errno),
            _ => Self::Value(result.cast_unsigned()),
        }
    }

    pub(super) fn error(self) -> Option<i32> {
        match self {
            Self::Failed(errno) => Some(errno),
            Self::Value(_) | Self::Again | Self::Unknown => None,
        }
    }

    /// The descriptor that a call returned.
    pub(super) fn descriptor(self) -> Option<i32> {
        match self {
            Self::Value(value) => i32::try_from(value).ok(),
            Self::Failed(_) | Self::Again | Self::Unknown => None,
        }
    }
}

impl Observer<'_> {
    /// Reads what must be read before the call; `None` when its end is of no interest.
    pub(super) fn begin(&mut self, entry: &Entry, arguments: &[u64; 6]) -> Option<Before> {
        Some(match entry.kind {
            Kind::Open(form) => self.begin_open(form, arguments),
            Kind::Execute(place) => Before::Program(self.place(place, arguments)),
            Kind::Change { operation, path, other } => {
                self.begin_change(operation, path, other, arguments)
            }
            Kind::UnlinkAt => self.begin_unlink_at(arguments),
            Kind::Map => self.begin_map(arguments)?,
            Kind::Transfer(_) => self.begin_transfer(arguments),
            Kind::Bind | Kind::Connect => Before::Peer(self.peer(arguments[1], arguments[2])),
            Kind::SendTo => Before::Peer(self.peer(arguments[4], arguments[5])),
            Kind::SendMessage => Before::Messages(vec![self.outgoing(arguments[1])]),
            Kind::SendMessages => Before::Messages(self.outgoing_all(arguments)),
            Kind::Attempt(_, words) | Kind::Identity(words) => {
                Before::Words(self.in_words(words, arguments))
            }
            Kind::Clone(form) => self.begin_clone(form, arguments)?,
            Kind::Look(_) | Kind::Listen | Kind::Signal(_) => return None,
            Kind::Duplicate
            | Kind::Socket
            | Kind::SocketPair
            | Kind::Accept
            | Kind::ReceiveFrom
            | Kind::ReceiveMessage
            | Kind::ReceiveMessages
            | Kind::Splice { .. } => Before::Nothing,
        })
    }

    /// Records a call that has returned, or whose thread has died.
    pub(super) fn conclude(&mut self, started: Started, returned: Returned) {
        let Started { entry, arguments, before } = started;
        if returned == Returned::Unknown && has_effect(entry.kind) {
            self.recorder.count(Trouble::Unfinished);
        }
        // A connect that a signal interrupts goes on by itself; anything else has done nothing.
        let is_connect = matches!(entry.kind, Kind::Connect);
        if returned == Returned::Again && !is_connect {
            return;
        }
        match entry.kind {
            Kind::Open(form) => self.opened(form, &arguments, before, returned),
            Kind::Change { .. } | Kind::UnlinkAt => self.changed(before, returned),
            Kind::Map => self.mapped(&arguments, returned),
            Kind::Transfer(direction) => {
                self.transferred(direction, &arguments, &before, returned);
            }
            Kind::Splice { from, to } => {
                self.spliced(entry.name, from, to, &arguments, returned);
            }
            Kind::Attempt(act, _) => self.attempted(act, before, returned),
            Kind::Identity(_) => self.attempted(Act::ChangeIdentity, before, returned),
            Kind::Clone(_) => self.attempted(Act::Namespace, before, returned),
            Kind::Duplicate | Kind::Execute(_) | Kind::Look(_) | Kind::Listen | Kind::Signal(_) => {
            }
            Kind::Socket
            | Kind::SocketPair
            | Kind::Bind
            | Kind::Connect
            | Kind::Accept
            | Kind::SendTo
            | Kind::SendMessage
            | Kind::SendMessages
            | Kind::ReceiveFrom
            | Kind::ReceiveMessage
            | Kind::ReceiveMessages => {
                self.conclude_socket(entry.kind, &arguments, before, returned)
            }
        }
    }

    /// Records that a call was not made.
    pub(super) fn refused(&mut self, entry: Option<&Entry>, call: String, arguments: &[u64; 6]) {
        let detail = match entry.map(|entry| entry.kind) {
            Some(Kind::Attempt(_, words) | Kind::Identity(words)) => {
                self.in_words(words, arguments)
            }
            Some(Kind::Socket | Kind::SocketPair) => {
                let [family, kind, protocol, ..] = arguments;
                format!("family {family}, type {}, protocol {protocol}", kind & 0xf)
            }
            Some(_) | None => {
                let arguments: Vec<_> = arguments.iter().map(|a| format!("{a:#x}")).collect();
                arguments.join(", ")
            }
        };
        self.tell(What::Refused { call, detail });
    }

    pub(super) fn tell(&mut self, what: What) {
        self.recorder.tell(Some(self.actor), what);
    }

    pub(super) fn tid(&self) -> u32 {
        self.actor.thread
    }

    /// Adds bytes that went through a descriptor to the sums of the process.
    pub(super) fn count_bytes(
        &mut self,
        direction: Direction,
        fd: i32,
        earlier: Option<&Seen>,
        bytes: u64,
    ) {
        let seen = self.peek.descriptor(self.tid(), fd);
        match seen.as_ref().or(earlier) {
            Some(seen) if seen.file.kind == FileKind::Socket => {
                let socket = SocketId { inode: seen.file.inode, cookie: 0 };
                self.add(Key::Socket(direction, socket, None, None), None, bytes);
            }
            Some(seen) => self.add_file(direction, fd, seen, bytes),
            None => self.recorder.count(Trouble::Unreadable),
        }
    }

    fn add_file(&mut self, direction: Direction, fd: i32, seen: &Seen, bytes: u64) {
        let mut key = Key::File(direction, seen.file);
        let mut path = None;
        if seen.may_be_memory() || !self.subject.tallies.knows(&key) {
            path = self.peek.descriptor_path(self.tid(), fd, seen);
            key = Key::File(direction, seen.file_at(path.as_ref()));
        }
        self.add(key, path, bytes);
    }

    pub(super) fn add(&mut self, key: Key, path: Option<Name>, bytes: u64) {
        let now = now_ns();
        if self.subject.tallies.is_due(now) {
            self.flush();
        }
        self.subject.tallies.add(now, key, path, bytes);
    }

    /// Tells the sums of the process.
    pub(super) fn flush(&mut self) {
        for what in self.subject.tallies.take() {
            self.tell(what);
        }
    }

    fn begin_transfer(&mut self, arguments: &[u64; 6]) -> Before {
        // Only another thread can close the descriptor before the call's end is seen.
        let is_shared = self.subject.threads > 1;
        let look = || self.peek.descriptor(self.actor.thread, descriptor(arguments[0]));
        Before::Descriptor(is_shared.then(look).flatten())
    }

    fn transferred(
        &mut self,
        direction: Direction,
        arguments: &[u64; 6],
        before: &Before,
        returned: Returned,
    ) {
        let fd = descriptor(arguments[0]);
        let earlier = match before {
            Before::Descriptor(seen) => seen.as_ref(),
            _ => None,
        };
        match returned {
            Returned::Value(bytes) if bytes > 0 => self.count_bytes(direction, fd, earlier, bytes),
            Returned::Unknown if direction == Direction::Sent => {
                self.count_bytes(direction, fd, earlier, 0);
            }
            Returned::Failed(errno) if direction == Direction::Sent => self.not_sent(fd, errno),
            _ => {}
        }
    }

    fn spliced(
        &mut self,
        call: &str,
        from: Option<usize>,
        to: usize,
        arguments: &[u64; 6],
        returned: Returned,
    ) {
        let bytes = match returned {
            Returned::Value(0) => return,
            Returned::Failed(errno) if is_patience(errno) => return,
            Returned::Value(bytes) => bytes,
            Returned::Failed(_) | Returned::Again | Returned::Unknown => 0,
        };
        let from = from.map(|place| descriptor(arguments[place]));
        let to = descriptor(arguments[to]);
        if returned.error().is_none() {
            if let Some(from) = from {
                self.count_bytes(Direction::Received, from, None, bytes);
            }
            self.count_bytes(Direction::Sent, to, None, bytes);
        }
        self.tell_splice(call, from, to, returned.error());
    }

    /// A copy of a large file is many calls; each pair of files is told once.
    fn tell_splice(&mut self, call: &str, from: Option<i32>, to: i32, error: Option<i32>) {
        let tid = self.tid();
        let from = from.and_then(|fd| self.peek.file(tid, fd));
        let to = self.peek.file(tid, to);
        let id = |end: &Option<(FileId, Option<Name>)>| end.as_ref().map(|(file, _)| *file);
        if !self.subject.is_new_splice((id(&from), id(&to), error)) {
            return;
        }
        let path = |end: Option<(FileId, Option<Name>)>| {
            end.and_then(|(_, path)| path).map_or_else(|| "?".to_owned(), |path| path.to_string())
        };
        let detail = format!("{call} from {} to {}", path(from), path(to));
        self.tell(What::Attempted { act: Act::Splice, detail, error });
    }

    fn attempted(&mut self, act: Act, before: Before, returned: Returned) {
        let Before::Words(detail) = before else { return };
        self.tell(What::Attempted { act, detail, error: returned.error() });
    }

    fn begin_clone(&mut self, form: CloneForm, arguments: &[u64; 6]) -> Option<Before> {
        let flags = match form {
            CloneForm::Register => arguments[0],
            CloneForm::Structure => {
                Peek::bytes::<8>(self.tid(), arguments[0]).map_or(0, u64::from_ne_bytes)
            }
        };
        let namespaces = flags & NEW_NAMESPACES;
        (namespaces != 0).then(|| Before::Words(format!("clone, flags {namespaces:#x}")))
    }

    fn in_words(&self, words: &[Word], arguments: &[u64; 6]) -> String {
        let words = words.iter().map(|word| self.word(word, arguments[word.argument]));
        words.collect::<Vec<_>>().join(", ")
    }

    fn word(&self, word: &Word, value: u64) -> String {
        let label = word.label;
        match word.form {
            Form::Number => format!("{label} {}", descriptor(value)),
            Form::Hexadecimal => format!("{label} {value:#x}"),
            Form::Text => {
                let text = Peek::string(self.tid(), value);
                let text = text.map_or_else(|| "?".to_owned(), |text| Name::new(text).to_string());
                format!("{label} {text}")
            }
        }
    }
}

/// Whether a call that was cut off by death may have done what a check asks for.
fn has_effect(kind: Kind) -> bool {
    match kind {
        Kind::Transfer(direction) => direction == Direction::Sent,
        Kind::Open(_)
        | Kind::Change { .. }
        | Kind::UnlinkAt
        | Kind::Bind
        | Kind::Connect
        | Kind::SendTo
        | Kind::SendMessage
        | Kind::SendMessages
        | Kind::Splice { .. }
        | Kind::Attempt(..)
        | Kind::Identity(_)
        | Kind::Clone(_) => true,
        Kind::Execute(_)
        | Kind::Map
        | Kind::Socket
        | Kind::SocketPair
        | Kind::Accept
        | Kind::ReceiveFrom
        | Kind::ReceiveMessage
        | Kind::ReceiveMessages
        | Kind::Look(_)
        | Kind::Listen
        | Kind::Signal(_)
        | Kind::Duplicate => false,
    }
}

/// The kernel takes 32 bits of an argument that is a descriptor.
pub(super) fn descriptor(argument: u64) -> i32 {
    low_half(argument).cast_signed()
}

/// The kernel takes 32 bits of an argument that is an `int`.
pub(super) fn low_half(argument: u64) -> u32 {
    u32::try_from(argument & 0xffff_ffff).unwrap_or(0)
}

/// Errors that say "later" and change nothing.
pub(super) fn is_patience(errno: i32) -> bool {
    matches!(errno, EINTR | EAGAIN)
}

const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_errors_from_restarts_and_addresses() {
        assert_eq!(Returned::of(3), Returned::Value(3));
        assert_eq!(Returned::of(-2), Returned::Failed(2));
        assert_eq!(Returned::of(-512), Returned::Again);
        assert_eq!(Returned::of(-516), Returned::Again);
        let high_address = -0x7000_0000_0000_i64;
        assert!(matches!(Returned::of(high_address), Returned::Value(_)));
    }

    #[test]
    fn descriptors_are_the_low_half_of_their_argument() {
        assert_eq!(descriptor(0xffff_ff9c), -100);
        assert_eq!(descriptor(0xdead_0000_0005), 5);
    }
}
