//! What a world is called outside.

use std::fs;
use std::io;

/// `watchglass-PID-START-RANDOM-SPACE`: the lab's process, its start in clock ticks since the
/// machine's, something that nobody else has, and the pid namespace that numbered the process.
/// Leftovers carry it, so that the next lab can tell whose they are: process numbers are used again,
/// but not with the same start, and mean nothing in another namespace (a container that shares the
/// tree of cgroups).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorldName {
    pid: u32,
    start: u64,
    random: u64,
    space: u64,
}

impl WorldName {
    /// A fresh name for a world of this process.
    pub(crate) fn fresh() -> io::Result<Self> {
        let pid = std::process::id();
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let start =
            start_ticks(pid).ok_or_else(|| io::Error::other("no start time in /proc/self/stat"))?;
        Ok(Self { pid, start, random: u64::from_le_bytes(random), space: pid_namespace()? })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix("watchglass-")?.split('-');
        let pid = fields.next()?.parse().ok()?;
        let start = fields.next()?.parse().ok()?;
        let random = u64::from_str_radix(fields.next()?, 16).ok()?;
        let space = fields.next()?.parse().ok()?;
        fields.next().is_none().then_some(Self { pid, start, random, space })
    }

    /// Whether the lab that gave this name still runs. One of another pid namespace cannot be looked
    /// for, so it counts as alive.
    pub(crate) fn lab_lives(&self) -> bool {
        let is_near = pid_namespace().is_ok_and(|own| own == self.space);
        !is_near || start_ticks(self.pid) == Some(self.start)
    }

    /// The name that a lab of this pid namespace gave which is no more.
    #[cfg(test)]
    pub(crate) fn of_a_dead_lab() -> Self {
        Self { pid: 1, start: u64::MAX, random: 1, space: pid_namespace().expect("a namespace") }
    }

    /// Something that differs between worlds, to choose a range of users by.
    pub(crate) fn slot(&self) -> u32 {
        u32::try_from(self.random & 0xffff).unwrap_or(0)
    }
}

impl std::fmt::Display for WorldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, start, random, space } = self;
        write!(f, "watchglass-{pid}-{start}-{random:016x}-{space}")
    }
}

/// The pid namespace of this process, by the number of its file (namespaces(7)).
fn pid_namespace() -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

/// When a process began, in clock ticks since the machine did: field 22 of `/proc/PID/stat`. `None`
/// when it is gone; a zombie counts as gone. The name in field 2 may hold anything, so the fields
/// are counted from the last parenthesis.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_tells_that_its_lab_lives() {
        let name = WorldName::fresh().expect("a name");
        let parsed = WorldName::parse(&name.to_string()).expect("parsed");
        assert_eq!(parsed, name);
        assert!(parsed.lab_lives());
    }

    #[test]
    fn a_lab_of_another_pid_namespace_counts_as_alive() {
        let name = WorldName { start: 1, space: 1, ..WorldName::fresh().expect("a name") };
        assert!(name.lab_lives());
    }

    #[test]
    fn a_process_with_the_same_number_and_another_start_is_another() {
        let name = WorldName { start: 1, ..WorldName::fresh().expect("a name") };
        assert!(!name.lab_lives());
    }

    #[test]
    fn other_names_are_not_ours() {
        for text in [
            "watchglass",
            "watchglass-1-2-3",
            "watchglass-1-2-3-4-5",
            "user.slice",
            "watchglass-x-2-3-4",
        ] {
            assert!(WorldName::parse(text).is_none(), "{text}");
        }
    }
}
