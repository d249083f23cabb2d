//! Writes the first inputs of each corpus: `cargo run --example seeds`, after a format has changed.

use std::path::Path;

use sha2::Digest as _;
use watchglass_database::offset::Offset;
use watchglass_database::{
    Archives, Builder, Certificate, Digest, HashRole, HashSignature, MagicRule, MemberSignature,
    NamePattern, Password,
};
use watchglass_events::log::LogWriter;
use watchglass_events::{Name, Outcome, PathOperation, Peer, Source, What};
use watchglass_evidence::{
    Campaign, Manifest, Network, Part, PartName, PlannedRun, Statement, Subject, WorldKind,
    to_canonical,
};
use watchglass_fuzz::signed_envelope;

fn main() {
    let part = Part::of(PartName::parse("a").unwrap(), b"content");
    let manifest = to_canonical(&Manifest { schema: 1, parts: vec![part] }).unwrap();
    let statement = Statement::new(vec![Subject::of("manifest.json", &manifest)], Vec::new());
    let envelope = to_canonical(&signed_envelope(&[("manifest.json", &manifest)])).unwrap();
    let log = log();
    keep("bundle/whole", &[&manifest[..], b"\0content"].concat());
    keep("bundle/part_changed", &[&manifest[..], b"\0Content"].concat());
    keep(
        "bytes/every_read",
        b"\x10\x01\x02\x0f\x13\xff\x01\x01the bytes that are read: 0123456789",
    );
    keep("database/one_of_each", &database());
    keep("database/cut_off", &database()[..8192]);
    keep("documents/manifest", &manifest);
    keep("documents/campaign", &to_canonical(&campaign()).unwrap());
    keep("documents/statement", &to_canonical(&statement).unwrap());
    keep("documents/inventory_line", b"{\"file\":{\"path\":\"/a\"}}\n");
    keep("envelope/signed", &envelope);
    keep("event_log/whole", &log);
    keep("event_log/cut_off", &log[..log.len() - 7]);
    keep("event_log/length_over_limit", b"WGEVENT1\0\xff\xff\xff\xff");
    recheck();
    formats();
    keep("signature_container/unsigned", &container());
    for (set, line) in SETS {
        let text = format!("a.{set}\n# comment\n{line}\nbroken\n");
        keep(&format!("signatures/{set}"), text.as_bytes());
    }
}

/// A line of each format that is told by its extension.
const SETS: &[(&str, &str)] = &[
    ("hdb", "44d88612fea8a8f36de82e1278abb02f:68:A"),
    ("msb", "4096:275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f:A"),
    ("ign2", "A:44d88612fea8a8f36de82e1278abb02f"),
    ("ndb", "A:1:EP+0,9:4d5a??a?{2-8}(41|4344)!(42|43)4142*(B)4546[1-3]47"),
    ("ldb", "A;Engine:90-255,Target:1;(0&1|2)>1,1;EP+0:4d5a90::i;0/a;b/is;0(>>4#hb4#=0x1f)"),
    ("cdb", "A:CL_TYPE_ZIP:*:a.exe:1-2:3:0:4:*:*"),
    ("ftm", "0:0:4d5a:MS-EXE:CL_TYPE_ANY:CL_TYPE_MSEXE"),
    ("pwdb", "A;Engine:81-255,Container:CL_TYPE_ZIP;1;6162"),
    ("crb", "A;0;3395856ce81f2b7382dee72602f798b642f14140;;c0ffee;010001;1;0;1;1700000000;comment"),
];

/// An unsigned container: a header, then a plain archive that begins with a licence.
fn container() -> Vec<u8> {
    let header = "ClamAV-VDB:01 Jan 2026 00-00 +0000:1:1:90:x:x:watchglass:1767225600";
    let set = b"44d88612fea8a8f36de82e1278abb02f:68:A\n";
    let info = format!("{header}\na.hdb:{}:{:x}\n", set.len(), sha2::Sha256::digest(set));
    let mut bytes = format!("{header:<512}").into_bytes();
    let files = [("COPYING", &b"free"[..]), ("a.info", info.as_bytes()), ("a.hdb", set)];
    for (name, content) in files {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = b'0';
        bytes.extend(block);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

/// Beginnings of files, and the smallest programs that have something of everything.
fn formats() {
    let be = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let mail = b"\nFrom: a\nMIME-Version: 1\nContent-Type: b\n\n<a HrEF";
    keep("identify/mail", mail);
    keep("identify/html_utf16", b"\xff\xfe<\0h\0t\0m\0l\0>\0");
    keep(
        "identify/places",
        b"\0\x01PK\x03\x04Rar!\x1a\x07\0MSCF\0\0\0\0\x60\xea.......\0\x027z\xbc\xaf\x27\x1c",
    );
    let header = |name: &str| [&b"PK\x03\x04"[..], &[0; 26], name.as_bytes()].concat();
    let headers: Vec<_> =
        ["[Content_Types].xml", "_.rels/.rels", "docProps/a"].map(header).concat();
    let mut zip = [&headers[..], b"PK\x01\x02", &[0; 24], b"\x06", &[0; 17], b"word/a"].concat();
    zip.extend([&b"PK\x05\x06"[..], &[0; 12], &[u8::try_from(headers.len()).unwrap(), 0]].concat());
    zip.extend([0; 4]);
    keep("identify/document", &zip);
    let mut macho = be(&[0xfeed_face, 18, 0, 2, 2, 0, 0, 1, 124]);
    macho.extend(be(&[0, 0, 0, 0, 0x1000, 0x100, 0x200, 0x100, 7, 5, 1, 0]));
    macho.extend(be(&[0, 0, 0, 0, 0, 0, 0, 0, 0x1000, 0x0e, 0x200, 3, 0, 0, 0, 0, 0]));
    macho.extend(be(&[5, 176, 1, 40, 0x1008]));
    macho.resize(macho.len() + 156, 0);
    keep("macho/powerpc", &macho);
    keep("macho/universal", &be(&[0xcafe_babe, 2, 7, 3, 48, 4, 4, 18, 0, 52, 999, 4, 1, 2]));
    let mut elf = b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x08\0\0\0\x01".to_vec();
    elf.extend(be(&[0x1010, 52, 84, 0, 52 << 16 | 32, 1 << 16 | 40, 1 << 16]));
    elf.extend(be(&[1, 0x40, 0x1000, 0x1000, 0x100, 0x100, 5, 4]));
    elf.extend(be(&[0, 1, 2, 0x1000, 16, 16, 0, 0, 0, 0]));
    keep("elf/big_endian", &elf);
    keep("pe/whole", &pe());
}

/// A PE32 with one section, in which imports are at 0, resources at 0x80.
fn pe() -> Vec<u8> {
    let le = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let mut file = [&b"MZ"[..], &[0; 58], &le(&[64]), b"PE\0\0\x4c\x01\x01\0"].concat();
    file.extend([&[0; 12][..], &[224, 0, 2, 0]].concat());
    let mut optional = [0; 224];
    let imports_and_resources = [(104, 0x1000), (108, 0x3c), (112, 0x1080), (116, 0x180)];
    let numbers = [(0, 0x10b), (16, 0x1000), (32, 0x1000), (36, 0x200), (60, 0x400), (92, 16)];
    for (at, number) in numbers.into_iter().chain(imports_and_resources) {
        optional[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
    }
    file.extend(optional);
    file.extend([&b".all\0\0\0\0"[..], &le(&[0x400, 0x1000, 0x400, 0x400, 0, 0, 0, 0])].concat());
    file.resize(0x400, 0);
    // One library: a function by its number, one by its name.
    file.extend(le(&[0x1040, 0, 0, 0x1050, 0x1040, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    file.extend(le(&[0x8000_0001, 0x1060, 0, 0]));
    file.extend(b"WS2_32.dll\0\0\0\0\0\0\0\0send\0");
    file.resize(0x480, 0);
    // Type 16, name 1, language 1033; its data are behind.
    for (name, offset) in [(16, 0x8000_0018), (1, 0x8000_0030), (1033, 0x48)] {
        file.extend(le(&[0, 0, 0, 1 << 16, name, offset]));
    }
    let key = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let block = |value: u16, key: &[u8], padding: usize, inside: &[u8]| -> Vec<u8> {
        let length = u16::try_from(6 + key.len() + padding + inside.len()).unwrap();
        let header = [length.to_le_bytes(), value.to_le_bytes(), [1, 0]].concat();
        [&header[..], key, &vec![0; padding], inside].concat()
    };
    let string = block(4, &key("Key\0"), 2, &key("Value\0\0\0"));
    let table = block(0, &key("040904b0\0"), 0, &string);
    let strings = block(0, &key("StringFileInfo\0"), 0, &table);
    let fixed = [&le(&[0xfeef_04bd])[..], &[0; 48], &strings].concat();
    let info = block(0x34, &key("VS_VERSION_INFO\0"), 2, &fixed);
    file.extend(le(&[0x10d8, u32::try_from(info.len()).unwrap(), 0, 0]));
    file.extend(info);
    file.resize(0x800, 0);
    file
}

fn database() -> Vec<u8> {
    let mut builder = Builder::default();
    for (role, name) in HashRole::ALL.into_iter().zip(["A", "Ab", "Abc", "B"]) {
        let digest = Digest::Sha256([0; 32]);
        builder.add_hash(role, HashSignature { digest, size: Some(68), name }).unwrap();
    }
    let range = Some(1..=300);
    let member = MemberSignature {
        container_type: Some(b"CL_TYPE_ZIP"),
        encrypted: None,
        container_size: None,
        size_in_container: range.clone(),
        real_size: range,
        position: None,
        file_name: Some(NamePattern { pattern: b"a$", caseless: true }),
    };
    builder.add_member("A", &member).unwrap();
    let (offset, from, to) = (Offset::Any, &b"CL_TYPE_ANY"[..], &b"CL_TYPE_PDF"[..]);
    builder.add_magic(&MagicRule { kind: 1, offset, from, to, bytes: b"0102" }).unwrap();
    builder.add_password(&Password { archives: Archives::Zip, bytes: b"a" }).unwrap();
    let certificate = Certificate {
        is_trusted: false,
        rights: [true; 3],
        subject: [1; 20],
        serial: Some([2; 20]),
        not_before: 3,
        modulus: b"modulus",
    };
    builder.add_certificate(Some("B"), &certificate).unwrap();
    builder.build()
}

fn log() -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Tracepoint).unwrap();
    let peer = Peer::Internet { address: [192, 0, 2, 1].into(), port: 443 };
    log.append(1, None, What::Connected { socket: None, peer, error: Some(-111) }).unwrap();
    let (path, operation) = (Name::new(&b"/a\xff"[..]), PathOperation::Unlink);
    log.append(2, None, What::PathChanged { operation, path, other: None, error: None }).unwrap();
    log.append(3, None, What::Exited { outcome: Outcome::TimedOut }).unwrap();
    log.finish().unwrap()
}

fn campaign() -> Campaign {
    let run = PlannedRun {
        name: "A1".into(),
        seed: "00".repeat(32),
        same_world: false,
        network: true,
        configured: true,
        phases: vec!["update".into(), "scan".into()],
    };
    Campaign {
        schema: 1,
        assayer: "watchglass 0.1.0".into(),
        began_unix_seconds: 1_795_000_000,
        world: WorldKind::Debian,
        network: Network::Vendor,
        tier: watchglass_events::Tier::T1,
        runs: vec![run],
        choices: Vec::new(),
        bait_files: 100,
        idle_speed: 1000,
        bait_generator: 1,
    }
}

/// Run A1 of the golden bundle, as a bundle of its own, and first inputs that change it.
fn recheck() {
    let golden = here("../crates/app/recheck/tests/data/golden");
    let campaign = std::fs::read(golden.join("campaign.json")).unwrap();
    let mut campaign: Campaign = watchglass_evidence::parse_document(&campaign).unwrap();
    campaign.runs.truncate(1);
    let names = ["campaign.json", "environment.json", "inventory.jsonl", "product.toml"];
    let logs = ["gate.log", "lab.log", "overlay.log", "packets.pcapng", "sensor.log"];
    let names =
        names.map(str::to_owned).into_iter().chain(logs.map(|log| format!("runs/A1/{log}")));
    let (mut base, mut numbers) = (Vec::new(), Vec::new());
    for (number, name) in (0_u8..).zip(names) {
        let bytes = match name.as_str() {
            "campaign.json" => to_canonical(&campaign).unwrap(),
            name => std::fs::read(golden.join(name)).unwrap(),
        };
        base.push(u8::try_from(name.len()).unwrap());
        base.extend(name.as_bytes());
        base.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        base.extend(&bytes);
        // Larger parts are in the base, and are changed from there.
        if let Some(length) = u16::try_from(bytes.len()).ok().filter(|length| *length < 16 << 10) {
            let mut input = vec![number];
            input.extend(length.to_le_bytes());
            input.extend(&bytes);
            numbers.push((name.replace(['/', '.'], "_"), input));
        }
    }
    std::fs::create_dir_all(here("data")).unwrap();
    std::fs::write(here("data/base.parts"), base).unwrap();
    keep("recheck/unchanged", b"");
    for (name, input) in numbers {
        keep(&format!("recheck/{name}"), &input);
    }
}

fn here(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn keep(name: &str, bytes: &[u8]) {
    let path = here("corpus").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
