//! ClamAV's own containers: the program of 544 bytes that is hidden in each is found.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read files")]

mod common;

use std::path::{Path, PathBuf};

use common::skip;
use watchglass_unpack::{Budget, Container, ContainerKind, Depth, Limits, Next};

#[test]
fn the_program_is_found_in_each_of_debians_containers() {
    let folder = Path::new("/usr/share/clamav-testfiles");
    let Ok(program) = std::fs::read(folder.join("clam.exe")) else {
        return skip("the_program_is_found_in_each_of_debians_containers", "clamav-testfiles");
    };
    for name in CONTAINERS {
        // Some are only among the unit tests.
        let Ok(bytes) = std::fs::read(folder.join(name)) else { continue };
        check(name, &bytes, &program);
    }
}

#[test]
fn the_program_is_found_in_each_of_the_unit_tests_containers() {
    let folder = data();
    let read = |name: &str| {
        let bytes = std::fs::read(folder.join(format!("{name}.xor"))).ok()?;
        Some(bytes.iter().zip(KEY.concat().bytes().cycle()).map(|(byte, key)| byte ^ key).collect())
    };
    let Some(program): Option<Vec<u8>> = read("clam.exe") else {
        let why = "../shared/data is not here";
        return skip("the_program_is_found_in_each_of_the_unit_tests_containers", why);
    };
    for name in CONTAINERS.iter().chain(MORE_CONTAINERS) {
        check(name, &read(name).unwrap(), &program);
    }
}

/// Methods lh0, lh1, lh5, lh6 and lh7, headers of all levels; each member has a checksum.
#[test]
fn the_unit_tests_archives_of_lha_are_whole() {
    let Ok(folder) = std::fs::read_dir(data().join("../other_scanfiles/lha_lzh")) else {
        let why = "../shared/data is not here";
        return skip("the_unit_tests_archives_of_lha_are_whole", why);
    };
    for file in folder {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let unpacked = common::unpack(ContainerKind::Lha, &bytes);
        assert!(unpacked.is_clean(), "{}: {unpacked:?}", path.display());
        assert!(unpacked.members.iter().any(|member| !member.content.is_empty()));
    }
}

fn check(name: &str, bytes: &[u8], program: &[u8]) {
    assert_eq!(program.len(), 544);
    let budget = Budget::new(Limits::CLAMAV, bytes.len(), &|| false);
    assert!(holds(bytes, budget.outermost(), &budget, program), "{name}");
}

fn holds(bytes: &[u8], depth: Depth, budget: &Budget<'_>, program: &[u8]) -> bool {
    let Some(kind) = kind(bytes) else { return bytes == program };
    let mut container = Container::open(kind, bytes, depth, budget);
    let inside = container.depth_inside();
    while let (Next::Member(member), Some(inside)) = (container.next_member(), inside) {
        if holds(&member.content, inside, budget, program) {
            return true;
        }
    }
    false
}

/// Enough to tell these files apart; knowing types is another crate's work.
fn kind(bytes: &[u8]) -> Option<ContainerKind> {
    let is_tar = bytes.get(257..262) == Some(b"ustar");
    let magic = KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind);
    let is_iso = bytes.get(0x8001..0x8006) == Some(b"CD001");
    let is_lha = bytes.get(2..4) == Some(b"-l") && bytes.get(6) == Some(&b'-');
    magic
        .or(is_tar.then_some(ContainerKind::Tar))
        .or(is_iso.then_some(ContainerKind::Iso9660))
        .or(is_lha.then_some(ContainerKind::Lha))
}

const KINDS: &[(&[u8], ContainerKind)] = &[
    (b"PK\x03\x04", ContainerKind::Zip),
    (b"PK00", ContainerKind::Zip),
    (b"PK\x07\x08", ContainerKind::Zip),
    (b"\x1f\x8b", ContainerKind::Gzip),
    (b"BZh", ContainerKind::Bzip2),
    (b"MSCF", ContainerKind::Cab),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ContainerKind::Ole2),
    (b"{\\rt", ContainerKind::Rtf),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", ContainerKind::OneNote),
    (b"0707", ContainerKind::Cpio),
    (b"\xc7\x71", ContainerKind::Cpio),
    (b"\x71\xc7", ContainerKind::Cpio),
    (b"%PDF-", ContainerKind::Pdf),
    (b"7z\xbc\xaf\x27\x1c", ContainerKind::SevenZip),
    (b"Rar!\x1a\x07", ContainerKind::Rar),
    (b"ITSF", ContainerKind::Chm),
    (b"From: ", ContainerKind::Mail),
    (b"From ", ContainerKind::Mail),
    (b"Subject: ", ContainerKind::Mail),
    (b"\x78\x9f\x3e\x22", ContainerKind::Tnef),
    (b"(This file must", ContainerKind::BinHex),
];

/// Files of the kinds that this crate opens.
const CONTAINERS: &[&str] = &[
    "clam.zip",
    "clam.bz2.zip",
    "clam.d64.zip",
    "clam.impl.zip",
    "clam.split.oneseg.zip",
    "clam.exe.bz2",
    "clam.tar.gz",
    "clam_cache_emax.tgz",
    "clam.exe_and_mail.tar.gz",
    "clam.bin-be.cpio",
    "clam.bin-le.cpio",
    "clam.newc.cpio",
    "clam.odc.cpio",
    "clam.cab",
    "clam.pdf",
    "clam.7z",
    "clam-v2.rar",
    "clam-v3.rar",
    "clam.iso",
    "clamjol.iso",
    "clam.chm",
    "clam.ole.doc",
    "clam.ppt",
    "clam.exe.rtf",
    "clam.mail",
    "clam.exe.mbox.base64",
    "clam.exe.mbox.uu",
    "clam.exe.binhex",
    "clam.tnef",
    "clam.mail-boundary-content-disposition.eml",
    "clam.mail-comment-header-name.eml",
    "clam.mail-disposition-rfc2231-boundary.eml",
    "clam.mail-multiple-boundaries.eml",
    "clam.mail-multiple-content-type.eml",
    "clam.mail-nested-comment-header-name.eml",
    "clam.mail-semicolon-boundary.eml",
];

/// Files that are among the unit tests alone.
const MORE_CONTAINERS: &[&str] =
    &["clam.exe.2007.one", "clam.exe.2010.one", "clam.exe.webapp-export.one"];

/// The key of the stored files, from the README of the data.
const KEY: [&str; 5] = [
    "bhcftqarohcdiayfohalohkgmoefxrrg",
    "fnczssgybajvkzjaahpfrlqsratkhhfv",
    "pxytculmwgmtyzujlbjlgrhtwxhzpjaz",
    "libbwepffyjyfkjwzyofgpopoueurinp",
    "dujkphxwhnaxfkaiwrpzdqsnwughtejr",
];

/// The data stand beside the project.
fn data() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    root.join("../shared/data/clamav-unit-tests/input/clamav_hdb_scanfiles")
}
