//! Which users of the machine stand for the users of the world.

use minicbor::{Decode, Encode};

/// The world's users 0 to `count - 1` are the machine's users from `base` on, as the keeper's own
/// user namespace numbers them; groups likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ids {
    #[n(0)]
    pub(crate) base: u32,
    #[n(1)]
    pub(crate) count: u32,
    #[n(2)]
    pub(crate) keeper: Keeper,
}

/// What the keeper may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Keeper {
    /// It is the machine's root.
    #[n(0)]
    Root,
    /// It is root of a user namespace that an ordinary user made.
    #[n(1)]
    Ordinary,
}

impl Ids {
    /// The machine's root gives the world numbers that belong to nobody. Every world has a range
    /// of its own, so that limits counted by user do not add up over worlds.
    pub(crate) fn of_root(slot: u32) -> Self {
        let base = FIRST_BASE + (slot % SLOTS) * RANGE;
        Self { base, count: RANGE, keeper: Keeper::Root }
    }

    /// An ordinary user with a range in `/etc/subuid` and `/etc/subgid`: the keeper's namespace
    /// has the user as 0 and the range after it, and the world gets the range alone.
    pub(crate) fn of_range() -> Self {
        Self { base: 1, count: RANGE, keeper: Keeper::Ordinary }
    }

    /// An ordinary user without a range: the world has one user, who is that user.
    pub(crate) fn single() -> Self {
        Self { base: 0, count: 1, keeper: Keeper::Ordinary }
    }

    /// Without namespaces: everybody is the lab's own user.
    pub(crate) fn in_place(uid: u32) -> Self {
        Self { base: uid, count: 1, keeper: Keeper::Ordinary }
    }

    /// The keeper's number for a user of the world; a world with a single user has no other.
    pub(crate) fn outside(self, inside: u32) -> u32 {
        self.base + inside.min(self.count - 1)
    }

    /// The world's number for an owner as the keeper sees it.
    pub(crate) fn inside(self, outside: u32) -> u32 {
        match outside.checked_sub(self.base) {
            Some(inside) if inside < self.count => inside,
            _ => NOBODY,
        }
    }

    /// Whether the world has this user at all.
    pub(crate) fn has(self, inside: u32) -> bool {
        inside < self.count
    }
}

/// Users of one world.
pub(crate) const RANGE: u32 = 65_536;
/// First user of the first range: far above what useradd(8) and systemd(1) hand out.
const FIRST_BASE: u32 = 1_900_000_000;
/// Ranges; the last ends at 1,967,108,864, below 2³¹, which some tools cannot count beyond.
const SLOTS: u32 = 1_024;
/// What the kernel calls an owner that the world has no number for.
const NOBODY: u32 = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_out_and_come_back() {
        let ids = Ids::of_root(3);
        assert_eq!(ids.inside(ids.outside(0)), 0);
        assert_eq!(ids.inside(ids.outside(65_535)), 65_535);
        assert_eq!(ids.inside(0), NOBODY, "the machine's root is nobody inside");
        assert_eq!(ids.inside(ids.base + RANGE), NOBODY, "the next world's root is nobody inside");
    }

    #[test]
    fn a_world_of_one_user_gives_everything_to_that_user() {
        let ids = Ids::single();
        assert_eq!(ids.outside(101), 0);
        assert!(!ids.has(101));
    }
}
