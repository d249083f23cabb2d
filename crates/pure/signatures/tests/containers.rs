//! Containers that ClamAV signed are verified, and nothing else is.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Dice, data, files, is_there, skip};
use watchglass_signatures::container::{Budget, ContainerError, Seal, UnverifiedContainer};

/// The signed containers among ClamAV's own test files.
fn signed() -> Vec<Vec<u8>> {
    let folder = data("clamav-unit-tests/input");
    let paths = folder.map(|folder| files(&folder)).unwrap_or_default();
    let paths = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "cvd"));
    paths.map(|path| std::fs::read(path).unwrap()).collect()
}

const NO_DATA: &str = "../shared/data/clamav-unit-tests is not there";

#[test]
fn signed_containers_are_verified_and_give_their_signatures() {
    let containers = signed();
    if containers.is_empty() {
        return skip("signed_containers_are_verified_and_give_their_signatures", NO_DATA);
    }
    assert_eq!(containers.len(), 7);
    for bytes in &containers {
        let container = UnverifiedContainer::parse(bytes).unwrap();
        let container = container.verify(Seal::HeaderAndInfo, Budget::STANDARD).unwrap();
        let mut signatures = 0;
        for member in container.members() {
            let member = member.unwrap();
            signatures += member.set.signatures(&member.bytes).filter(Result::is_ok).count();
        }
        assert!(signatures >= container.header().signatures as usize / 2, "{signatures}");
    }
}

#[test]
fn a_patched_container_is_sealed_by_its_info_alone() {
    let Some(mut bytes) = signed().pop() else {
        return skip("a_patched_container_is_sealed_by_its_info_alone", NO_DATA);
    };
    let at = bytes.windows(11).position(|window| window == b":micasnyd:1").unwrap();
    bytes[at - 1] = b'x';
    let parse = || UnverifiedContainer::parse(&bytes).unwrap();
    let refused = parse().verify(Seal::HeaderAndInfo, Budget::STANDARD);
    assert_eq!(refused.unwrap_err(), ContainerError::HeaderSignature);
    let container = parse().verify(Seal::Info, Budget::STANDARD).unwrap();
    assert!(container.members().all(|member| member.is_ok()));
}

/// Whatever one byte is changed to: not verified, or nothing that is handed out differs.
#[test]
fn no_changed_byte_is_verified() {
    let Some(bytes) = signed().into_iter().min_by_key(Vec::len) else {
        return skip("no_changed_byte_is_verified", NO_DATA);
    };
    let mut dice = Dice(0x6376);
    for _ in 0..2_000 {
        let mut changed = bytes.clone();
        let at = if dice.below(2) == 0 { dice.below(512) } else { dice.below(bytes.len()) };
        changed[at] ^= u8::try_from(1 + dice.below(255)).unwrap();
        let parsed = UnverifiedContainer::parse(&changed);
        let Ok(verified) = parsed.and_then(|it| it.verify(Seal::HeaderAndInfo, Budget::STANDARD))
        else {
            continue;
        };
        assert!(at < 512, "byte {at}");
        assert!(verified.members().all(|member| member.is_ok()));
    }
}

#[test]
fn truncated_and_mutated_containers_end() {
    let Some(bytes) = signed().into_iter().min_by_key(Vec::len) else {
        return skip("truncated_and_mutated_containers_end", NO_DATA);
    };
    let read = |bytes: &[u8]| {
        let parsed = UnverifiedContainer::parse(bytes);
        let opened = parsed.and_then(|it| it.danger_accept_unsigned(Budget::STANDARD));
        opened.map_or(0, |container| container.members().count())
    };
    assert_eq!(read(&bytes), 2);
    for end in (0..bytes.len()).step_by(7) {
        assert!(read(&bytes[..end]) <= 3, "{end}");
    }
    let mut dice = Dice(0x6d76);
    for _ in 0..2_000 {
        let mut changed = bytes.clone();
        dice.mutate(&mut changed, b":\n0/\0");
        assert!(read(&changed) < 50);
    }
}

#[test]
fn an_unsigned_container_is_taken_as_such_only() {
    let name = "an_unsigned_container_is_taken_as_such_only";
    if !is_there("sigtool") {
        return skip(name, "sigtool is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let bytes = unsigned(folder.path());
    let parse = || UnverifiedContainer::parse(&bytes).unwrap();
    for seal in [Seal::HeaderAndInfo, Seal::Info] {
        assert!(parse().verify(seal, Budget::STANDARD).is_err(), "{seal:?}");
    }
    let container = parse().danger_accept_unsigned(Budget::STANDARD).unwrap();
    let members: Vec<_> = container.members().map(Result::unwrap).collect();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].set.file(), "test.hdb");
    assert_eq!(members[0].set.signatures(&members[0].bytes).filter(Result::is_ok).count(), 3);
}

#[test]
fn an_archive_over_its_budget_is_not_unpacked() {
    let Some(bytes) = signed().pop() else {
        return skip("an_archive_over_its_budget_is_not_unpacked", NO_DATA);
    };
    let open = |budget| {
        let container = UnverifiedContainer::parse(&bytes).unwrap();
        let container = container.danger_accept_unsigned(budget)?;
        container.members().collect::<Result<Vec<_>, _>>()
    };
    let over = |budget| matches!(open(budget), Err(ContainerError::OverBudget { .. }));
    assert!(over(Budget { max_bytes: 20_000, ..Budget::STANDARD }));
    assert!(over(Budget { max_members: 2, ..Budget::STANDARD }));
    assert!(!over(Budget::STANDARD));
}

/// A `.cud` that sigtool makes.
fn unsigned(folder: &Path) -> Vec<u8> {
    let hashes: String = (0..3).map(|n| format!("{n:032x}:{}:Test.{n}\n", n + 1)).collect();
    std::fs::write(folder.join("test.hdb"), hashes).unwrap();
    std::fs::write(folder.join("COPYING"), "none").unwrap();
    let output = Command::new("sigtool")
        .args(["--build=test.cud", "--unsigned", "--cvd-version=7", "--no-cdiff", "--hybrid"])
        .arg(format!("--datadir={}", folder.display()))
        .current_dir(folder)
        .env("SIGNDUSER", "tester")
        .output()
        .unwrap();
    let built = std::fs::read(folder.join("test.cud"));
    built.unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
