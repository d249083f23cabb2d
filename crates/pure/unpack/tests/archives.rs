//! tar, cpio and ar archives, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use std::path::Path;

use common::{Cut, Unpacked, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

const TAR: ContainerKind = ContainerKind::Tar;
const CPIO: ContainerKind = ContainerKind::Cpio;
const AR: ContainerKind = ContainerKind::Ar;

/// Longer than any field of a header.
fn long_name() -> String {
    format!("{}/{}", "folder".repeat(20), "n".repeat(160))
}

/// A folder with `one`, `two`, an empty file and one with a long name; and the content of the first.
fn folder(seed: u64) -> (tempfile::TempDir, Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (payload(seed, 20_001), payload(seed + 100, 700));
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("one", &one);
    write("two", &two);
    write("empty", b"");
    write(&long_name(), &one);
    (folder, one, two)
}

fn read(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("out")).unwrap()
}

fn check(unpacked: &Unpacked, one: &[u8], two: &[u8], what: &str) {
    let told: Vec<_> = unpacked.members.iter().flat_map(|member| &member.not_scanned).collect();
    assert!(unpacked.is_clean(), "{what}: {told:?} {:?}", unpacked.end);
    assert!(*unpacked.member("one").content == *one, "{what}");
    assert!(*unpacked.member("two").content == *two, "{what}");
    assert!(unpacked.member("empty").content.is_empty(), "{what}");
}

#[test]
fn tar_of_other_tools_is_found_whole() {
    let mut makers: Vec<(String, bool)> = Vec::new();
    for format in ["v7", "oldgnu", "gnu", "ustar", "pax"] {
        let has_long = matches!(format, "oldgnu" | "gnu" | "pax");
        let long = if has_long { long_name() } else { String::new() };
        for more in ["", "-b 1", "--sort=name --mtime=@9999999999999"] {
            if format != "gnu" && format != "pax" && more.contains("mtime") {
                continue;
            }
            makers.push((
                format!("tar --format={format} {more} -cf out one two empty {long}"),
                has_long,
            ));
        }
    }
    for format in ["ustar", "pax", "gnutar", "v7tar", "rpax"] {
        let has_long = matches!(format, "pax" | "gnutar" | "rpax");
        let long = if has_long { long_name() } else { String::new() };
        makers.push((format!("bsdtar --format={format} -cf out one two empty {long}"), has_long));
    }
    for format in 0..3 {
        let has_long = format > 0;
        let long = if has_long { format!(",'{}'", long_name()) } else { String::new() };
        let code = format!(
            "import tarfile\nt=tarfile.open('out','w',format={format})\nfor n in ['one','two','empty'{long}]: t.add(n)\nt.close()"
        );
        makers.push((format!("python3 -c \"{code}\""), has_long));
    }
    makers.push(("7z a -ttar out.tar one two empty; mv out.tar out".into(), false));
    for (seed, (command, has_long)) in makers.iter().enumerate() {
        let (folder, one, two) = folder(seed as u64);
        if !run(folder.path(), "sh", &["-c", command]) {
            skip("tar_of_other_tools_is_found_whole", command);
            continue;
        }
        let unpacked = unpack(TAR, &read(folder.path()));
        check(&unpacked, &one, &two, command);
        if *has_long {
            assert!(*unpacked.member(&long_name()).content == one, "{command}");
        }
    }
    assert!(makers.len() >= 20, "{}", makers.len());
}

#[test]
fn sparse_files_have_their_zeros() {
    for format in [
        "--format=gnu --sparse",
        "--format=pax --sparse --sparse-version=0.0",
        "--format=pax --sparse --sparse-version=0.1",
        "--format=pax --sparse --sparse-version=1.0",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut content = vec![0; 40 * 65_536 + 17];
        for piece in 0..30 {
            let start = piece * 65_536 + 4096;
            content[start..start + 5000].copy_from_slice(&payload(piece as u64, 5000));
        }
        std::fs::write(folder.path().join("whole"), &content).unwrap();
        run(folder.path(), "cp", &["--sparse=always", "whole", "sparse"]);
        run(
            folder.path(),
            "sh",
            &["-c", &format!("tar {format} --hole-detection=raw -cf out sparse")],
        );
        let packed = read(folder.path());
        assert!(packed.len() < content.len() / 2, "{format}: the maker made no holes");
        let unpacked = unpack(TAR, &packed);
        assert!(unpacked.is_clean(), "{format}: {:?}", unpacked.members[0].not_scanned);
        assert!(*unpacked.member("sparse").content == content, "{format}");
    }
}

#[test]
fn tar_that_is_damaged_says_where() {
    let (folder, one, two) = folder(1);
    run(folder.path(), "tar", &["--format=ustar", "-b1", "-cf", "out", "one", "two", "empty"]);
    let good = read(folder.path());
    // A wrong checksum stops tar(1); the member is given.
    let mut bad = good.clone();
    let second = 512 + 20_480;
    bad[second + 150] ^= 1;
    let unpacked = unpack(TAR, &bad);
    assert!(*unpacked.member("one").content == one && *unpacked.member("two").content == two);
    let (what, offset) = ("checksum of a tar header", second as u64);
    assert_eq!(unpacked.member("two").not_scanned, [NotScanned::Damaged { what, offset }]);
    // What follows the end is told, and so is a member that is cut off.
    let unpacked = unpack(TAR, &[&good[..], b"more"].concat());
    assert!(matches!(unpacked.end.not_scanned[..], [NotScanned::Unexplained { .. }]));
    let unpacked = unpack(TAR, &good[..1000]);
    assert_eq!(*unpacked.members[0].content, one[..488]);
    assert!(!unpacked.members[0].is_whole());
}

#[test]
fn cpio_of_other_tools_is_found_whole() {
    let mut commands = Vec::new();
    for format in ["bin", "odc", "newc", "crc"] {
        commands.push(format!("printf 'one\\ntwo\\nempty\\n' | cpio -o -H {format} --quiet > out"));
        commands.push(format!(
            "printf 'two\\none\\nempty\\n' | cpio -o -H {format} --quiet -C 4 > out"
        ));
        commands.push(format!(
            "printf 'two\\n' | cpio -o -H {format} --quiet > out; printf 'one\\nempty\\n' | cpio -o -H {format} --quiet >> out"
        ));
    }
    for format in ["cpio", "newc", "odc", "bin", "pwb"] {
        if format != "pwb" {
            commands.push(format!("bsdtar --format={format} -cf out one two empty"));
            commands.push(format!("bsdtar --format={format} -b 1 -cf out empty two one"));
        }
    }
    // The binary format in the other byte order.
    commands.push("printf 'one\\ntwo\\nempty\\n' | cpio -o -H bin --quiet > out".into());
    let last = commands.len() - 1;
    for (seed, command) in commands.iter().enumerate() {
        let (folder, one, two) = folder(seed as u64 + 50);
        if !run(folder.path(), "sh", &["-c", command]) {
            return skip("cpio_of_other_tools_is_found_whole", command);
        }
        let mut packed = read(folder.path());
        if seed == last {
            packed = swap_words(&packed);
        }
        check(&unpack(CPIO, &packed), &one, &two, command);
    }
    assert!(commands.len() >= 20, "{}", commands.len());
}

/// The headers of a binary cpio archive with their words turned around.
fn swap_words(packed: &[u8]) -> Vec<u8> {
    let (mut swapped, mut at) = (packed.to_vec(), 0);
    while packed[at..].starts_with(b"\xc7\x71") {
        let word = |place: usize| usize::from(packed[place]) | usize::from(packed[place + 1]) << 8;
        let (name, size) = (word(at + 20), word(at + 22) << 16 | word(at + 24));
        swapped[at..at + 26].chunks_mut(2).for_each(|word| word.swap(0, 1));
        at += 26 + name + name % 2 + size + size % 2;
    }
    swapped
}

#[test]
fn a_wrong_sum_of_cpio_takes_nothing_away() {
    let (folder, one, _) = folder(2);
    if !run(folder.path(), "sh", &["-c", "echo one | cpio -o -H crc --quiet > out"]) {
        return skip("a_wrong_sum_of_cpio_takes_nothing_away", "cpio");
    }
    let mut packed = read(folder.path());
    packed[200] ^= 1;
    let unpacked = unpack(CPIO, &packed);
    assert_eq!(unpacked.members[0].content.len(), one.len());
    let [NotScanned::Checksum { field: "c_chksum", .. }] = unpacked.members[0].not_scanned[..]
    else {
        panic!("{:?}", unpacked.members[0].not_scanned)
    };
}

#[test]
fn ar_of_other_tools_is_found_whole() {
    let mut made = 0;
    for seed in 0..7 {
        let long = "a_name_that_is_longer_than_sixteen_bytes.o";
        for command in [
            format!("mv two {long}; ar qc out one empty {long}"),
            format!("mv two {long}; bsdtar --format=arbsd -cf out one empty {long}"),
            // This one makes no long names.
            "bsdtar --format=argnu -cf out one empty two".to_owned(),
        ] {
            let (folder, one, two) = folder(seed);
            if !run(folder.path(), "sh", &["-c", &command]) {
                return skip("ar_of_other_tools_is_found_whole", &command);
            }
            let unpacked = unpack(AR, &read(folder.path()));
            assert!(unpacked.is_clean(), "{command}: {unpacked:?}");
            assert!(*unpacked.member("one").content == one, "{command}");
            let name = if command.contains(long) { long } else { "two" };
            assert!(*unpacked.member(name).content == two, "{command}");
            made += 1;
        }
    }
    assert!(made >= 20);
}

#[test]
fn a_thin_archive_has_its_members_elsewhere() {
    let (folder, ..) = folder(3);
    run(folder.path(), "ar", &["qcT", "out", "one", "two"]);
    let unpacked = unpack(AR, &read(folder.path()));
    assert!(matches!(unpacked.end.not_scanned[..], [NotScanned::Split { .. }]));
}

#[test]
fn no_change_of_bytes_breaks_them() {
    let commands = [
        (TAR, "head -c 700 one > a; tar --format=pax -b1 -cf out a two"),
        (
            TAR,
            "head -c 700 one > a; truncate -s 9000 a; tar --format=gnu -b1 --sparse --hole-detection=raw -cf out a two",
        ),
        (
            TAR,
            "head -c 700 one > a; truncate -s 9000 a; tar --format=pax -b1 --sparse --hole-detection=raw -cf out a two",
        ),
        (CPIO, "echo two | cpio -o -H newc --quiet > out"),
        (CPIO, "echo two | cpio -o -H bin --quiet > out"),
        (CPIO, "echo two | cpio -o -H odc --quiet > out"),
        (
            AR,
            "head -c 700 one > a_name_that_is_long_enough; ar qc out two a_name_that_is_long_enough",
        ),
    ];
    for (kind, command) in commands {
        let (folder, ..) = folder(4);
        if !run(folder.path(), "sh", &["-c", command]) {
            return skip("no_change_of_bytes_breaks_them", command);
        }
        survives(kind, &read(folder.path()), Cut::MayBeWhole, 1000);
    }
}
