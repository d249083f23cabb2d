//! Which capabilities the world's programs can have.

use rustix::thread::CapabilitySet;

use crate::WorldError;

/// What root of an ordinary program needs to own files, change users and kill its children. All of
/// it counts in the world's user namespace alone. `CAP_NET_BIND_SERVICE` is among them for programs
/// that ask whether they have it: the world's network belongs to the namespace outside, and low
/// ports are opened there for everybody.
const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// The bounding set: the default and what the product file names.
pub(crate) fn bounding(names: &[String]) -> Result<CapabilitySet, WorldError> {
    names.iter().try_fold(DEFAULT, |set, name| Ok(set | parse(name)?))
}

/// Every capability that the bounding set of `kept` leaves out.
pub(crate) fn others(kept: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    (0..64)
        .map(|bit| CapabilitySet::from_bits_retain(1 << bit))
        .filter(move |one| !kept.contains(*one))
}

fn parse(name: &str) -> Result<CapabilitySet, WorldError> {
    let known = name.strip_prefix("CAP_").and_then(CapabilitySet::from_name);
    let unknown =
        || WorldError::Unknown { field: "privileges.capabilities", found: name.to_owned() };
    known.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_what_is_named_and_refuses_what_is_not_known() {
        let names = ["CAP_SYS_PTRACE".to_owned()];
        let set = bounding(&names).expect("known");
        assert!(set.contains(CapabilitySet::SYS_PTRACE | CapabilitySet::CHOWN));
        assert!(!set.contains(CapabilitySet::SYS_ADMIN));
        assert!(bounding(&["SYS_PTRACE".to_owned()]).is_err());
        assert!(bounding(&["CAP_EVERYTHING".to_owned()]).is_err());
    }
}
