//! Records of files: opening, mapping, and changes of names and attributes.

use watchglass_events::{Access, Act, FileId, FileKind, Name, PathOperation, What};

use super::calls::{Last, OpenForm, Place};
use super::observe::{Before, Observer, Returned, descriptor};
use super::peek::Peek;
use super::record::Trouble;

impl Observer<'_> {
    pub(super) fn begin_open(&mut self, form: OpenForm, arguments: &[u64; 6]) -> Before {
        let [first, second, third, ..] = *arguments;
        let (path, flags) = match form {
            OpenForm::Open => (Some(first), second),
            OpenForm::Creat => (Some(first), O_CREAT | O_WRONLY | O_TRUNC),
            OpenForm::OpenAt => (Some(second), third),
            OpenForm::OpenAt2 => (Some(second), self.word_at(third)),
            OpenForm::ByHandle => (None, third),
        };
        let claimed = path.and_then(|path| Peek::string(self.tid(), path)).map(Name::new);
        Before::Open { claimed, access: access(flags) }
    }

    pub(super) fn opened(
        &mut self,
        form: OpenForm,
        arguments: &[u64; 6],
        before: Before,
        returned: Returned,
    ) {
        let Before::Open { claimed, access } = before else { return };
        let found = returned.descriptor().and_then(|fd| self.found(form, fd, access));
        if returned.descriptor().is_some() && found.is_none() {
            self.recorder.count(Trouble::Unreadable);
        }
        let error = returned.error();
        if matches!(form, OpenForm::ByHandle) {
            let detail = format!("mount of descriptor {}", descriptor(arguments[0]));
            self.tell(What::Attempted { act: Act::OpenByHandle, detail, error });
        }
        let what = match found {
            Some((path, file, access)) => {
                let claimed = claimed.filter(|claimed| *claimed != path);
                What::Opened { path, claimed, file: Some(file), access, error }
            }
            None => {
                let path = claimed.unwrap_or_default();
                What::Opened { path, claimed: None, file: None, access, error }
            }
        };
        self.note_cgroup_move(&what);
        self.tell(what);
    }

    /// The object behind the descriptor that an open returned.
    fn found(&mut self, form: OpenForm, fd: i32, access: Access) -> Option<(Name, FileId, Access)> {
        let (file, path) = self.peek.file(self.tid(), fd)?;
        // No path leads to these, so another thread has replaced the descriptor meanwhile.
        if matches!(file.kind, FileKind::Socket | FileKind::Other) {
            self.recorder.count(Trouble::Displaced);
        }
        Some((path?, file, self.true_access(form, fd, access)))
    }

    /// `openat2` has its flags in memory, where they may change: the kernel's own are asked for.
    fn true_access(&self, form: OpenForm, fd: i32, claimed: Access) -> Access {
        match form {
            OpenForm::OpenAt2 => {
                let flags = self.peek.open_flags(self.tid(), fd);
                flags.map_or(claimed, |flags| {
                    let Access { create, truncate, .. } = claimed;
                    Access { create, truncate, ..access(flags) }
                })
            }
            OpenForm::Open | OpenForm::Creat | OpenForm::OpenAt | OpenForm::ByHandle => claimed,
        }
    }

    /// A process enters a cgroup by writing its number to one of two files.
    fn note_cgroup_move(&mut self, what: &What) {
        let What::Opened { path, access, error, .. } = what else { return };
        let last = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if access.write && matches!(last, b"cgroup.procs" | b"cgroup.threads") {
            let detail = format!("opened {path} for writing");
            self.tell(What::Attempted { act: Act::MoveCgroup, detail, error: *error });
        }
    }

    /// Memory that belongs to no file is not recorded.
    pub(super) fn begin_map(&mut self, arguments: &[u64; 6]) -> Option<Before> {
        let has_file = arguments[3] & MAP_ANONYMOUS == 0 && descriptor(arguments[4]) >= 0;
        has_file.then_some(Before::Nothing)
    }

    pub(super) fn mapped(&mut self, arguments: &[u64; 6], returned: Returned) {
        let Returned::Value(_) = returned else { return };
        let Some((file, path)) = self.peek.file(self.tid(), descriptor(arguments[4])) else {
            return self.recorder.count(Trouble::Unreadable);
        };
        let [_, bytes, protection, flags, ..] = *arguments;
        let is_shared = matches!(flags & MAP_TYPE, MAP_SHARED | MAP_SHARED_VALIDATE);
        self.tell(What::Mapped {
            file,
            path,
            bytes,
            executable: protection & PROT_EXEC != 0,
            shared_write: is_shared && protection & PROT_WRITE != 0,
        });
    }

    pub(super) fn begin_change(
        &mut self,
        operation: PathOperation,
        path: Place,
        other: Option<Place>,
        arguments: &[u64; 6],
    ) -> Before {
        let path = self.place(path, arguments);
        let other = other.map(|place| self.place(place, arguments));
        Before::Paths { operation, path, other }
    }

    pub(super) fn begin_unlink_at(&mut self, arguments: &[u64; 6]) -> Before {
        let operation = match arguments[2] & AT_REMOVEDIR {
            0 => PathOperation::Unlink,
            _ => PathOperation::RemoveDirectory,
        };
        self.begin_change(operation, Place::At(0, 1, Last::Keep), None, arguments)
    }

    pub(super) fn changed(&mut self, before: Before, returned: Returned) {
        let Before::Paths { operation, path, other } = before else { return };
        self.tell(What::PathChanged { operation, path, other, error: returned.error() });
    }

    /// The path that arguments of a call lead to. Read before the call: after a rename or removal
    /// there is nothing left to resolve.
    pub(super) fn place(&mut self, place: Place, arguments: &[u64; 6]) -> Name {
        let (at, string, last) = match place {
            Place::Path(string, last) => (None, string, last),
            Place::At(at, string, last) => (Some(descriptor(arguments[at])), string, last),
            Place::Descriptor(at) => return self.place_of(descriptor(arguments[at])),
            Place::Text(string) => return self.string(arguments[string]),
        };
        let keeps_last = match last {
            Last::Keep => true,
            Last::Follow => false,
            Last::FollowUnless(flags) => arguments[flags] & AT_SYMLINK_NOFOLLOW != 0,
        };
        let string = self.string(arguments[string]);
        self.peek.resolve(self.tid(), at, string.as_bytes(), keeps_last)
    }

    fn place_of(&mut self, fd: i32) -> Name {
        let path = self.peek.file(self.tid(), fd).and_then(|(_, path)| path);
        path.unwrap_or_default()
    }

    fn string(&mut self, address: u64) -> Name {
        Name::new(Peek::string(self.tid(), address).unwrap_or_default())
    }

    fn word_at(&self, address: u64) -> u64 {
        Peek::bytes::<8>(self.tid(), address).map_or(0, u64::from_ne_bytes)
    }

    /// Records a program at the stop of its `exec`, before its first instruction.
    pub(super) fn executed(&mut self, claimed: Option<Name>) {
        let tid = self.tid();
        let program = self.peek.program(tid);
        if program.is_none() {
            self.recorder.count(Trouble::Unreadable);
        }
        let file = program.as_ref().map(|(file, _)| *file);
        let path = program.map(|(_, path)| path).or(claimed.clone()).unwrap_or_default();
        let digest = self.peek.program_digest(tid);
        let argv = self.peek.arguments(tid);
        self.tell(What::Executed { path, file, digest, argv });
        self.tell_script(claimed, file);
        self.tell_interpreter(file);
    }

    /// A script is read by the kernel, which then runs another program: no call opens it.
    fn tell_script(&mut self, claimed: Option<Name>, program: Option<FileId>) {
        let Some(path) = claimed else { return };
        let script = self.peek.lookup(self.tid(), &path);
        if script.is_some() && script != program {
            let access = access(0);
            self.tell(What::Opened { path, claimed: None, file: script, access, error: None });
        }
    }

    /// The dynamic loader is mapped by the kernel: no call opens it either.
    fn tell_interpreter(&mut self, program: Option<FileId>) {
        for (file, path, bytes) in self.peek.mapped_at_start(self.tid()) {
            let file = self.peek.lookup(self.tid(), &path).unwrap_or(file);
            if Some(file) != program && !path.as_bytes().starts_with(b"/memfd:") {
                let (path, executable, shared_write) = (Some(path), true, false);
                self.tell(What::Mapped { file, path, bytes, executable, shared_write });
            }
        }
    }
}

fn access(flags: u64) -> Access {
    let path_only = flags & O_PATH != 0;
    let mode = flags & O_ACCMODE;
    Access {
        read: !path_only && matches!(mode, O_RDONLY | O_RDWR),
        write: !path_only && matches!(mode, O_WRONLY | O_RDWR),
        create: !path_only && flags & (O_CREAT | O_TMPFILE) != 0,
        truncate: !path_only && flags & O_TRUNC != 0,
        path_only,
    }
}

// The same numbers on x86-64 and 64-bit Arm: asm-generic/fcntl.h, asm-generic/mman-common.h.
const O_ACCMODE: u64 = 0o3;
const O_RDONLY: u64 = 0;
const O_WRONLY: u64 = 0o1;
const O_RDWR: u64 = 0o2;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10_000_000;
const O_TMPFILE: u64 = 0o20_000_000;
const AT_REMOVEDIR: u64 = 0x200;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;
const MAP_SHARED_VALIDATE: u64 = 3;
const MAP_TYPE: u64 = 0xf;
const MAP_ANONYMOUS: u64 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_file_was_opened_for() {
        let told = access(O_RDWR | O_CREAT | O_TRUNC);
        assert!(told.read && told.write && told.create && told.truncate && !told.path_only);
        let place = access(O_PATH | O_CREAT);
        assert!(place.path_only && !place.read && !place.create);
        let neither = access(O_ACCMODE);
        assert!(!neither.read && !neither.write);
    }
}
