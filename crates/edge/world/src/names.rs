//! What a world is called outside.

use std::fs;
use std::io;

/// `watchglass-PID-START-RANDOM`: the lab's process, its start in clock ticks since the machine's,
/// and something that nobody else has. Leftovers carry it, so that the next lab can tell whose they
/// are: process numbers are used again, but not with the same start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorldName {
    pid: u32,
    start: u64,
    random: u64,
}

impl WorldName {
    /// A fresh name for a world of this process.
    pub(crate) fn fresh() -> io::Result<Self> {
        let pid = std::process::id();
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let start =
            start_of(pid).ok_or_else(|| io::Error::other("no start time in /proc/self/stat"))?;
        Ok(Self { pid, start, random: u64::from_le_bytes(random) })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix("watchglass-")?.split('-');
        let pid = fields.next()?.parse().ok()?;
        let start = fields.next()?.parse().ok()?;
        let random = u64::from_str_radix(fields.next()?, 16).ok()?;
        fields.next().is_none().then_some(Self { pid, start, random })
    }

    /// Whether the lab that gave this name still runs.
    pub(crate) fn lab_lives(&self) -> bool {
        start_of(self.pid) == Some(self.start)
    }

    /// Something that differs between worlds, to choose a range of users by.
    pub(crate) fn slot(&self) -> u32 {
        u32::try_from(self.random & 0xffff).unwrap_or(0)
    }
}

impl std::fmt::Display for WorldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "watchglass-{}-{}-{:016x}", self.pid, self.start, self.random)
    }
}

/// Field 22 of `/proc/PID/stat`; a zombie counts as dead. The name in field 2 may hold anything,
/// so the fields are counted from the last parenthesis.
fn start_of(pid: u32) -> Option<u64> {
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
    fn a_process_with_the_same_number_and_another_start_is_another() {
        let name = WorldName { start: 1, ..WorldName::fresh().expect("a name") };
        assert!(!name.lab_lives());
    }

    #[test]
    fn other_names_are_not_ours() {
        for text in
            ["watchglass", "watchglass-1-2", "watchglass-1-2-3-4", "user.slice", "watchglass-x-2-3"]
        {
            assert!(WorldName::parse(text).is_none(), "{text}");
        }
    }
}
