//! Users of the world by name, looked up from outside.

use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::plan::User;

/// A user's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// Looks a user up in the world's `/etc/passwd` and `/etc/group`, which the subject may have
/// written: they are read below the world's root and up to [`MAX_BYTES`].
pub(crate) fn look_up(root: BorrowedFd<'_>, user: &User) -> Result<Numbers, String> {
    match user {
        User::Numbers { uid, gid, groups } => {
            Ok(Numbers { uid: *uid, gid: *gid, groups: groups.clone() })
        }
        User::Named(name) => named(&read(root, "etc/passwd"), &read(root, "etc/group"), name),
    }
}

fn named(passwd: &str, group: &str, name: &str) -> Result<Numbers, String> {
    let by_number = name.parse::<u32>().ok();
    let entry = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        let uid = fields.get(2).and_then(|uid| uid.parse::<u32>().ok());
        fields.first() == Some(&name) || (by_number.is_some() && uid == by_number)
    });
    let Some(entry) = entry else {
        return match by_number {
            Some(uid) => Ok(Numbers { uid, gid: uid, groups: vec![uid] }),
            None => Err(format!("the world has no user `{name}`")),
        };
    };
    let number = |field: usize| entry.get(field).and_then(|text| text.parse::<u32>().ok());
    let (Some(uid), Some(gid)) = (number(2), number(3)) else {
        return Err(format!("the world's entry for `{name}` is damaged"));
    };
    let mut groups = vec![gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let member =
            fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
        groups.extend(fields.get(2).filter(|_| member).and_then(|gid| gid.parse::<u32>().ok()));
    }
    Ok(Numbers { uid, gid, groups })
}

fn read(root: BorrowedFd<'_>, path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let mut bytes = Vec::new();
    if let Ok(file) = file {
        // What cannot be read has no users.
        let _ = std::fs::File::from(file).take(MAX_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const MAX_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_users_by_name_and_number_with_their_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nclamav:x:101:102::/var/lib/clamav:/bin/false\n";
        let group = "root:x:0:\nadm:x:4:syslog,clamav\nclamav:x:102:\n";
        let clamav = Numbers { uid: 101, gid: 102, groups: vec![102, 4] };
        assert_eq!(named(passwd, group, "clamav"), Ok(clamav.clone()));
        assert_eq!(named(passwd, group, "101").map(|found| found.uid), Ok(101));
        assert_eq!(named(passwd, group, "7").map(|found| found.gid), Ok(7));
        assert!(named(passwd, group, "nobody-here").is_err());
    }
}
