//! Writes the first inputs of each corpus: `cargo run --example seeds`, after a format has changed.

use std::path::Path;

use watchglass_database::{Builder, Digest, HashRole, HashSignature};
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
}

fn database() -> Vec<u8> {
    let mut builder = Builder::default();
    for (role, name) in HashRole::ALL.into_iter().zip(["A", "Ab", "Abc", "B"]) {
        let digest = Digest::Sha256([0; 32]);
        builder.add_hash(role, HashSignature { digest, size: Some(68), name }).unwrap();
    }
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
