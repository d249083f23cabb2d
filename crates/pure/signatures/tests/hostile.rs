//! Whatever a set's bytes are, it is read to its end without a panic and in reasonable time.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "pure crates touch nothing, their tests read files and start programs"
)]

mod common;

use common::{Dice, data, files};
use watchglass_signatures::SignatureSet;

/// Mutations of each line.
const MUTATIONS: usize = 200;
/// Lines of each real set, spread over it.
const REAL_LINES: usize = 20;

#[test]
fn truncated_and_mutated_lines_are_read_to_their_end() {
    let mut dice = Dice(0x5348);
    let mut read = 0;
    for (name, line) in golden() {
        let set = SignatureSet::named(&name).unwrap();
        assert!(set.signatures(&line).all(|read| read.is_ok()), "{name}: {line:?}");
        let truncations = (0..line.len()).map(|end| line[..end].to_vec());
        let mutations = (0..MUTATIONS).map(|_| {
            let mut line = line.clone();
            dice.mutate(&mut line, b"?*{}-,()|![]:;#/$&=<>09afBLW\n");
            line
        });
        let all: Vec<_> = truncations.take(2_000).chain(mutations).collect();
        for bytes in all {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            let count = set.signatures(&bytes).count();
            assert!(count <= lines, "{count} signatures of {lines} lines");
            read += 1;
        }
    }
    assert!(read > 3_000, "{read}");
}

/// A set's name with one of its lines: those written here, and some real ones where they are.
fn golden() -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<_> =
        WRITTEN.iter().map(|(name, line)| ((*name).to_owned(), line.as_bytes().to_vec())).collect();
    let Some(folder) = data("signatures") else { return lines };
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(set) = SignatureSet::named(&name) else { continue };
        let bytes = std::fs::read(&path).unwrap();
        let good = set.entries(&bytes).filter(|entry| entry.signature.is_ok());
        let good: Vec<_> = good.map(|entry| entry.text.to_vec()).collect();
        let step = (good.len() / REAL_LINES).max(1);
        lines.extend(good.into_iter().step_by(step).map(|line| (name.clone(), line)));
    }
    lines
}

const WRITTEN: &[(&str, &str)] = &[
    ("a.hdb", "44d88612fea8a8f36de82e1278abb02f:*:A:73:255"),
    ("a.mdb", "4096:44d88612fea8a8f36de82e1278abb02f:A"),
    ("a.ign2", "A:44d88612fea8a8f36de82e1278abb02f"),
    ("a.db", "A=4d5a9000??03"),
    ("a.ndb", "A:1:S2+8,9:aa[1-5](B)4d5a!(41|42)??(aa(bb|cc)d?|)(W){2-3}4142!(L)[2]?9:51:255"),
    ("a.cdb", r"A:CL_TYPE_ZIP:*:\.exe$:10-20:5:1:1:*:c0ffee00:51:255"),
    ("a.crb", "A;1;3395856ce81f2b7382dee72602f798b642f14140;;abc;010001;1;0;1;1;comment;73"),
    ("a.ftm", "1:*:504b??04{2-3}0506:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:70:255"),
    ("a.pwdb", "A;Engine:81-255,Container:CL_TYPE_ZIP;1;696e666563746564"),
    ("a.cfg", "PE:0x1ff:23:255"),
    ("a.pdb", "R2:.+:.+:17-255"),
    ("a.gdb", "S:P:4d8bef53"),
    ("a.wdb", "M:a.example:b.example"),
    (
        "a.ldb",
        "A;Engine:81-255,FileSize:1-9,Container:CL_TYPE_ZIP,Target:1;((0&1)|(2&3)>1,2)&4=2&5;\
         EP+0:4d5a::i;4142{-3}4344::fwa;0&1/a\\/b;c/gis;0(>>4#hb4#=0x1f,<9);${1-9}7$;\
         fuzzy_img#af2ad01ed42993c7#0",
    ),
];
