//! Takes and refuses what ClamAV takes and refuses.
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

mod common;

use std::path::Path;

use common::{Dice, data, files, is_there, known_to_clamscan, skip};
use watchglass_signatures::container::{Budget, Seal, UnverifiedContainer};
use watchglass_signatures::{Fault, Format, Signature, SignatureSet};

/// Mutated lines that clamscan is asked about, at about 12 ms each; more by `WATCHGLASS_TEST_LINES`.
const LINES: usize = 40;

#[test]
fn every_set_gives_as_many_signatures_as_clamscan_knows() {
    let name = "every_set_gives_as_many_signatures_as_clamscan_knows";
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let folders = ["signatures", "clamav-unit-tests/input/other_sigs"].map(data);
    let [Some(real), Some(tests)] = folders else {
        return skip(name, "../shared/data is not there");
    };
    let mut sets = 0;
    for path in files(&real).into_iter().chain(files(&tests)) {
        let Ok(set) = SignatureSet::named(path.file_name().unwrap().to_str().unwrap()) else {
            continue;
        };
        let counted = count(&set, &std::fs::read(&path).unwrap());
        let known = known_to_clamscan(&path, Path::new("/dev/null"));
        eprintln!("{}: {counted}", path.display());
        assert_eq!(known, Some(counted), "{}", path.display());
        sets += 1;
    }
    assert_eq!(sets, 18);
}

#[test]
fn every_container_gives_as_many_signatures_as_clamscan_knows() {
    let name = "every_container_gives_as_many_signatures_as_clamscan_knows";
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let Some(folder) = data("clamav-unit-tests/input/freshclam_testfiles") else {
        return skip(name, "../shared/data is not there");
    };
    let paths = files(&folder).into_iter();
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "cvd")) {
        let bytes = std::fs::read(&path).unwrap();
        let container = UnverifiedContainer::parse(&bytes).unwrap();
        let container = container.verify(Seal::HeaderAndInfo, Budget::STANDARD).unwrap();
        let members = container.members().map(Result::unwrap);
        let counted: u64 = members.map(|member| count(&member.set, &member.bytes)).sum();
        let known = known_to_clamscan(&path, Path::new("/dev/null"));
        assert_eq!(known, Some(counted), "{}", path.display());
    }
}

/// Signatures of a set, of the kinds that clamscan counts; none of its lines is malformed.
fn count(set: &SignatureSet, bytes: &[u8]) -> u64 {
    let mut counted = 0;
    for read in set.signatures(bytes) {
        match read {
            Ok(Signature::Ignore(_) | Signature::Certificate(_) | Signature::Setting(_)) => {}
            Ok(_) if set.format() == Format::PhishingException => {}
            Ok(_) => counted += 1,
            Err(bad) if bad.error.fault() == Fault::NotForThisEngine => {}
            Err(bad) => panic!("{bad}: {}", bad.error),
        }
    }
    counted
}

#[test]
fn mutated_bodies_are_taken_and_refused_as_by_clamscan() {
    let telling = b"?*{}-,()|![]0123456789abcdefBLW:";
    compare("mutated_bodies_are_taken_and_refused_as_by_clamscan", "t.ndb", BODIES, telling);
}

#[test]
fn mutated_logical_signatures_are_taken_and_refused_as_by_clamscan() {
    let name = "mutated_logical_signatures_are_taken_and_refused_as_by_clamscan";
    compare(name, "t.ldb", LOGICAL, b"0123456789;:,()&|=<>#-${}[]?*/!iwfaabcdefx");
}

#[test]
fn mutated_lines_of_the_rarer_sets_are_taken_and_refused_as_by_clamscan() {
    let name = "mutated_lines_of_the_rarer_sets_are_taken_and_refused_as_by_clamscan";
    compare(name, "t.idb", ICONS, b"0123456789abcdef:");
    compare(name, "t.pdb", PHISHING, b"0123456789:-HRSPFW.");
    compare(name, "t.cdb", CONTAINER_METADATA, b"0123456789:*-_CLTYPEZIP");
}

/// Asks clamscan about seeded mutations of `lines`, each in a set of its own.
fn compare(name: &str, file: &str, lines: &[&str], telling: &[u8]) {
    if !is_there("clamscan") {
        return skip(name, "clamscan is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    let set = SignatureSet::named(file).unwrap();
    let count = std::env::var("WATCHGLASS_TEST_LINES").map_or(LINES, |n| n.parse().unwrap());
    let mut dice = Dice(0x5747);
    let mut taken = 0;
    let mut differences = Vec::new();
    for index in 0..lines.len() + count {
        let mut line = lines[index % lines.len()].as_bytes().to_vec();
        if index >= lines.len() {
            dice.mutate(&mut line, telling);
        }
        if line.is_empty() || line[0] == b'#' || line.iter().any(|byte| !(32..127).contains(byte)) {
            continue;
        }
        // `sscanf` takes a sign in a number, we do not.
        if line.windows(2).any(|pair| pair == b"--") {
            continue;
        }
        line.push(b'\n');
        std::fs::write(&path, &line).unwrap();
        let theirs = known_to_clamscan(&path, Path::new("/dev/null"));
        let ours = match set.signatures(&line).next().unwrap() {
            Ok(_) => Some(1),
            Err(bad) if bad.error.fault() == Fault::NotForThisEngine => Some(0),
            Err(_) => None,
        };
        taken += usize::from(ours == Some(1));
        if theirs != ours {
            let why = set.signatures(&line).next().unwrap().err().map(|bad| bad.error);
            differences.push(format!(
                "clamscan {theirs:?}, we {ours:?} {why:?}: {}",
                String::from_utf8_lossy(&line)
            ));
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.concat());
    assert!(taken > count / 20, "{taken} of {count} taken");
    eprintln!("{name}: {taken} of {} taken", lines.len() + count);
}

const BODIES: &[&str] = &[
    "A:0:*:4d5a9000{5}0300??00(aa|bb)0400",
    "A:1:EP+0,20:4d5a{10-20}c0de*beef{-7}dead{3-}f00d",
    "A:0:0:aa[1-5]bbccdd(41|4?|424344)eeff",
    "A:4:EOF-100:(B)41424344(L)",
    "A:3:*:41424344!(41|42|43)45464748[2]49",
    "A:6:SE0:(W)7f454c46!(B)",
    "A:9:S2+8:cffaedfe{4}{7}00(01(02|03)04|0506)07?8",
    "A:0:*:4142(|43??)4445{0}4647{128}4849",
    "A:1:VI:4100420043",
    "A:0:$3$:414243:51:255",
    "A:7:SL+4:4142",
    "A:0:17,4:00000000??00{2-3}?a?b4142",
    "A:0:*:(41|42)(4344|4546)(B)4748(W)!(L)4950(L)",
];

const LOGICAL: &[&str] = &[
    "A;Engine:51-255,Target:1;(0&1|2)>1,2;EP+0:4d5a90;41424344::i;616263::wa",
    "A;Engine:81-255,Target:0;0&(1=2,3)|2<4;41(42|43)44::f;4142??4344;4142!(43|44)45",
    "A;Engine:51-255,FileSize:10-200,Target:3;0&1;616263{2-5}6465::w;0(>>4#hb4#=0x1f)",
    "A;Engine:51-255,Target:6,EntryPoint:1-20,NumberOfSections:1-9;0&1;7f45;0/ab+c/gi",
    "A;Engine:51-255,Target:4,Container:CL_TYPE_ZIP;((0|1)>2)&(2|3);4142;4344;4546;${1-9}7$",
    "A;Engine:51-255,Target:0,Intermediates:CL_TYPE_ZIP>CL_TYPE_MSOLE2;0|1;4142;fuzzy_img#af2ad01ed42993c7#0",
    "A;Target:1;0&1&2;S1+4,9:(B)414243(L)::fiw;4d5a[2-4]90;VI:43004400",
    "A;Engine:51-255,Target:1,IconGroup1:G;0;SE0:4142(43|4445|)46::a",
    "A;Engine:51-255,Target:0,HandlerType:CL_TYPE_MAIL;1;6162;0(<<0x4#dbe2#>1,<9)",
];

const CONTAINER_METADATA: &[&str] =
    &["A:CL_TYPE_ZIP:*:abc:10-20:5:1:1:*:c0ffee00:51:255", "A:*:100:*:*:10-20:*:1-2:*:*"];
const ICONS: &[&str] = &[
    "A:G1:G2:201e800011e800011e800010e800010e800010e80001ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff0102ff010221222464",
];
const PHISHING: &[&str] = &["H:key.example:17-", "S:P:4d8bef53"];
