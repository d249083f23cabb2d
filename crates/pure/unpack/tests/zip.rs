//! Zip files, made by others and by hand.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use common::{Cut, Unpacked, filter, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned, Oddity, Reading};

const ZIP: ContainerKind = ContainerKind::Zip;

#[test]
fn what_other_tools_pack_is_found_whole() {
    let makers: &[(&str, &[&str])] = &[
        ("zip", &["-q", "-0", "out.zip", "one", "two", "empty"]),
        ("zip", &["-q", "-1", "out.zip", "one", "two", "empty"]),
        ("zip", &["-q", "-9", "out.zip", "one", "two", "empty"]),
        ("zip", &["-q", "-Z", "bzip2", "out.zip", "one", "two", "empty"]),
        ("zip", &["-q", "-fz", "out.zip", "one", "two", "empty"]),
        ("zip", &["-q", "-fd", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=Copy", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=Deflate", "-mx=9", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=Deflate64", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=Deflate64", "-mx=9", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=BZip2", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=LZMA", "out.zip", "one", "two", "empty"]),
        ("7z", &["a", "-tzip", "-mm=xz", "out.zip", "one", "two", "empty"]),
        ("bsdtar", &["--format=zip", "-cf", "out.zip", "one", "two", "empty"]),
        (
            "bsdtar",
            &[
                "--format=zip",
                "--options=zip:compression=store",
                "-cf",
                "out.zip",
                "one",
                "two",
                "empty",
            ],
        ),
        ("sh", &["-c", "bsdtar --format=zip -cf - one two empty | cat > out.zip"]),
        ("sh", &["-c", "zip -q - one two empty | cat > out.zip"]),
        (
            "sh",
            &["-c", "cat one two > stub; zip -q in.zip one two empty; cat stub in.zip > out.zip"],
        ),
        ("sh", &["-c", "zip -q out.zip one two empty; echo a comment | zip -q -z out.zip"]),
        (
            "python3",
            &[
                "-c",
                "import zipfile as z\nf=z.ZipFile('out.zip','w',z.ZIP_LZMA)\nfor n in 'one','two','empty': f.write(n)\nf.close()",
            ],
        ),
        (
            "python3",
            &[
                "-c",
                "import zipfile as z\nf=z.ZipFile('out.zip','w',z.ZIP_DEFLATED)\nfor n in 'one','two','empty':\n  with f.open(n,'w',force_zip64=True) as g: g.write(open(n,'rb').read())\nf.close()",
            ],
        ),
        (
            "python3",
            &[
                "-c",
                "import zipfile as z,os\nw=os.fdopen(os.open('out.zip',os.O_CREAT|os.O_WRONLY),'wb')\nclass S:\n  def write(s,b): return w.write(b)\n  def flush(s): w.flush()\nf=z.ZipFile(S(),'w',z.ZIP_DEFLATED)\nfor n in 'one','two','empty': f.write(n)\nf.close()\nw.close()",
            ],
        ),
    ];
    for (seed, (program, arguments)) in makers.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (payload(seed as u64, 60_000), payload(seed as u64 + 100, 900));
        for (name, content) in [("one", &one[..]), ("two", &two), ("empty", b"")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        if !run(folder.path(), program, arguments) {
            skip("what_other_tools_pack_is_found_whole", program);
            continue;
        }
        let packed = std::fs::read(folder.path().join("out.zip")).unwrap();
        let unpacked = unpack(ZIP, &packed);
        assert!(unpacked.is_clean(), "{program} {arguments:?}: {:?}", reasons(&unpacked));
        let mut names: Vec<_> = unpacked.members.iter().map(|member| &*member.name).collect();
        names.sort_unstable();
        assert_eq!(names, [&b"empty"[..], b"one", b"two"], "{program} {arguments:?}");
        assert!(*unpacked.member("one").content == one, "{program} {arguments:?}");
        assert!(*unpacked.member("two").content == two, "{program} {arguments:?}");
        assert!(unpacked.members.iter().all(|member| member.reading == Reading::Agreed));
    }
    assert!(makers.len() >= 20);
}

#[test]
fn what_others_encrypt_is_said_to_be_encrypted() {
    let ways: &[(&[&str], &str)] = &[
        (&["a", "-tzip", "-psecret", "out.zip", "one"], "ZipCrypto"),
        (&["a", "-tzip", "-psecret", "-mem=AES256", "out.zip", "one"], "WinZip AES"),
    ];
    for (arguments, method) in ways {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), payload(1, 500)).unwrap();
        if !run(folder.path(), "7z", arguments) {
            return skip("what_others_encrypt_is_said_to_be_encrypted", "7z");
        }
        let unpacked = unpack(ZIP, &std::fs::read(folder.path().join("out.zip")).unwrap());
        assert_eq!(unpacked.members[0].not_scanned, [NotScanned::Encrypted { method }]);
        assert!(unpacked.members[0].declared.encrypted && unpacked.members[0].content.is_empty());
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), payload(1, 500)).unwrap();
    if !run(folder.path(), "7z", &["a", "-tzip", "-mm=PPMd", "out.zip", "one"]) {
        return skip("what_is_not_supported_is_named", "7z");
    }
    let unpacked = unpack(ZIP, &std::fs::read(folder.path().join("out.zip")).unwrap());
    let reason = NotScanned::NotSupported { what: "PPMd (zip method 98)" };
    assert_eq!(unpacked.members[0].not_scanned, [reason]);
}

#[test]
fn zstd_and_an_unknown_method_by_hand() {
    let content = payload(2, 900);
    let packed = filter("zstd", &["-c"], &content).expect("zstd");
    let member = Made { method: 93, packed, ..Made::stored("z", &content) };
    assert!(unpack(ZIP, &archive(std::slice::from_ref(&member))).contents() == [&content[..]]);
    let unpacked = unpack(ZIP, &archive(&[Made { method: 77, ..member }]));
    let reason = NotScanned::UnknownMethod { format: "zip", number: 77 };
    assert_eq!(unpacked.members[0].not_scanned, [reason]);
}

#[test]
fn headers_that_disagree_give_both_readings() {
    let content = payload(3, 900);
    let deflated = deflate(&content);
    let mut file = archive(&[Made { method: 8, packed: deflated, ..Made::stored("a", &content) }]);
    // The local header says that it is stored, under another name.
    file[8] = 0;
    file[30] = b'b';
    let unpacked = unpack(ZIP, &file);
    let [local, central] = &unpacked.members[..] else { panic!("{unpacked:?}") };
    assert_eq!((local.reading, &*local.name), (Reading::Local, &b"b"[..]));
    assert_eq!((central.reading, &*central.name), (Reading::Central, &b"a"[..]));
    assert_eq!(*central.content, content);
    let names = Oddity::Disagreement { field: "file name", one: 1, other: 1 };
    let methods = Oddity::Disagreement { field: "method", one: 0, other: 8 };
    assert_eq!(central.oddities, [methods, names]);
}

#[test]
fn a_member_that_one_directory_hides_is_given() {
    let (one, two) = (payload(4, 500), payload(5, 600));
    let members = [Made::stored("one", &one), Made::stored("two", &two)];
    let (mut body, offsets) = locals(&members);
    body.extend(directory(&members[1..], &offsets[1..], body.len()));
    let unpacked = unpack(ZIP, &body);
    assert_eq!(unpacked.contents(), [&one[..], &two]);
    assert_eq!(unpacked.members[0].oddities, [Oddity::OnlyIn { place: "local headers" }]);
    // And the other way round: the walk cannot reach a header inside of another member.
    let inner = locals(&[Made::stored("in", &one)]).0;
    let outer = Made::stored("out", &inner);
    let (mut body, _) = locals(std::slice::from_ref(&outer));
    let both = [outer, Made::stored("in", &one)];
    body.extend(directory(&both, &[0, 33], body.len()));
    let unpacked = unpack(ZIP, &body);
    assert_eq!(unpacked.contents(), [&inner[..], &one]);
    assert_eq!(unpacked.members[1].oddities[0], Oddity::OnlyIn { place: "central directory" });
    assert!(unpacked.members[1].oddities.contains(&Oddity::Overlap { with: 33 }));
}

#[test]
fn an_archive_without_its_end_is_walked() {
    let content = payload(6, 500);
    let (body, _) = locals(&[Made::stored("one", &content)]);
    let unpacked = unpack(ZIP, &body);
    assert_eq!(unpacked.contents(), [&content[..]]);
    let (what, offset) = ("no end of central directory", body.len() as u64);
    assert_eq!(unpacked.end.not_scanned, [NotScanned::Damaged { what, offset }]);
}

#[test]
fn junk_between_and_after_is_told() {
    let content = payload(7, 500);
    let members = [Made::stored("one", &content), Made::stored("two", &content)];
    let (first, _) = locals(&members[..1]);
    let (second, _) = locals(&members[1..]);
    let mut body = [&first[..], b"junk!", &second].concat();
    body.extend(directory(&members, &[0, first.len() + 5], body.len()));
    let end = body.len() as u64;
    body.extend(b"more");
    let unpacked = unpack(ZIP, &body);
    assert_eq!(unpacked.contents(), [&content[..], &content]);
    let between = NotScanned::Unexplained { offset: first.len() as u64, bytes: 5 };
    assert_eq!(
        unpacked.end.not_scanned,
        [between, NotScanned::Unexplained { offset: end, bytes: 4 }]
    );
}

#[test]
fn members_that_share_their_bytes_do_not_multiply_the_work() {
    let content = payload(8, 100_000);
    let member = Made { method: 8, packed: deflate(&content), ..Made::stored("a", &content) };
    let size = member.packed.len();
    let (mut body, _) = locals(std::slice::from_ref(&member));
    let many = vec![member; 1000];
    body.extend(directory(&many, &[0; 1000], body.len()));
    let unpacked = unpack(ZIP, &body);
    let given = unpacked.members.iter().filter(|member| !member.content.is_empty()).count();
    assert!(given >= 1 && given * size <= 2 * body.len(), "{given} of 1000 unpacked");
    let refused = |reason: &NotScanned| matches!(reason, NotScanned::Overlapping { with: 31 });
    let told = unpacked.members.iter().filter(|member| member.not_scanned.iter().any(refused));
    assert_eq!(told.count() + given, 1000);
}

#[test]
fn names_in_any_bytes_stay_as_they_are() {
    let name = b"../\xff\0\x1b[2J\xe2\x80\xaetxt.exe";
    let member = Made { name: name.to_vec(), ..Made::stored("", b"abc") };
    assert_eq!(*unpack(ZIP, &archive(&[member])).members[0].name, name[..]);
}

#[test]
fn a_stream_longer_than_declared_is_given_whole() {
    let content = payload(9, 5000);
    let member = Made { method: 8, packed: deflate(&content), ..Made::stored("a", &content) };
    let mut file = archive(&[member]);
    let place = file.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    for field in [18, place + 20] {
        file[field..field + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    let unpacked = unpack(ZIP, &file);
    assert_eq!(*unpacked.members[0].content, content);
    let Oddity::Disagreement { field: "compressed size", one: 10, .. } =
        unpacked.members[0].oddities[0]
    else {
        panic!("{unpacked:?}")
    };
}

#[test]
fn a_part_of_a_split_archive_says_so() {
    let content = payload(10, 500);
    let member = Made::stored("one", &content);
    let (mut body, _) = locals(std::slice::from_ref(&member));
    let length = body.len();
    body.extend(directory(&[member], &[9999], length));
    let end = body.len() - 22;
    body[end + 4] = 1;
    body[length + 34] = 2;
    let unpacked = unpack(ZIP, &body);
    let split = |what| NotScanned::Split { what };
    assert!(unpacked.end.not_scanned.contains(&split("end of central directory")));
    assert_eq!(unpacked.members[1].not_scanned, [split("disk of the local header")]);
}

#[test]
fn no_change_of_bytes_breaks_it() {
    let content = payload(11, 700);
    let members = [
        Made { method: 8, packed: deflate(&content), ..Made::stored("a", &content) },
        Made::stored("b", &content[..200]),
    ];
    survives(ZIP, &archive(&members), Cut::IsSeen, 2000);
    for method in ["Deflate64", "LZMA", "BZip2"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one"), &content).unwrap();
        let method = format!("-mm={method}");
        if !run(folder.path(), "7z", &["a", "-tzip", &method, "out.zip", "one"]) {
            return skip("no_change_of_bytes_breaks_it", "7z");
        }
        let file = std::fs::read(folder.path().join("out.zip")).unwrap();
        survives(ZIP, &file, Cut::IsSeen, 1000);
    }
}

/// A member by hand.
#[derive(Clone)]
struct Made {
    name: Vec<u8>,
    method: u16,
    packed: Vec<u8>,
    crc32: u32,
    unpacked: u32,
}

impl Made {
    fn stored(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.into(),
            method: 0,
            packed: content.to_vec(),
            crc32: crc32fast::hash(content),
            unpacked: content.len() as u32,
        }
    }

    fn fields(&self) -> Vec<u8> {
        [
            &[0, 0][..], // flags
            &self.method.to_le_bytes(),
            &[0; 4],
            &self.crc32.to_le_bytes(),
            &(self.packed.len() as u32).to_le_bytes(),
            &self.unpacked.to_le_bytes(),
            &(self.name.len() as u16).to_le_bytes(),
            &[0, 0], // extra length
        ]
        .concat()
    }
}

fn locals(members: &[Made]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut offsets) = (Vec::new(), Vec::new());
    for member in members {
        offsets.push(bytes.len());
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(member.fields());
        bytes.extend(&member.name);
        bytes.extend(&member.packed);
    }
    (bytes, offsets)
}

fn directory(members: &[Made], offsets: &[usize], start: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (member, offset) in members.iter().zip(offsets) {
        bytes.extend(b"PK\x01\x02\x14\0\x14\0");
        bytes.extend(member.fields());
        bytes.extend([0; 10]); // comment length, disk, attributes
        bytes.extend((*offset as u32).to_le_bytes());
        bytes.extend(&member.name);
    }
    let count = (members.len() as u16).to_le_bytes();
    let size = bytes.len() as u32;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend(size.to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn archive(members: &[Made]) -> Vec<u8> {
    let (mut bytes, offsets) = locals(members);
    bytes.extend(directory(members, &offsets, bytes.len()));
    bytes
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let gzip = filter("gzip", &["-n"], content).expect("gzip is part of every system");
    gzip[10..gzip.len() - 8].to_vec()
}

fn reasons(unpacked: &Unpacked) -> Vec<String> {
    let told = unpacked.members.iter().flat_map(|member| &member.not_scanned);
    told.chain(&unpacked.end.not_scanned).map(ToString::to_string).collect()
}
