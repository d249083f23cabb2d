//! Writes the first inputs of each corpus: `cargo run --example seeds`, after a format has changed.

use std::path::Path;

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
    keep("documents/manifest", &manifest);
    keep("documents/campaign", &to_canonical(&campaign()).unwrap());
    keep("documents/statement", &to_canonical(&statement).unwrap());
    keep("documents/inventory_line", b"{\"file\":{\"path\":\"/a\"}}\n");
    keep("envelope/signed", &envelope);
    keep("event_log/whole", &log);
    keep("event_log/cut_off", &log[..log.len() - 7]);
    keep("event_log/length_over_limit", b"WGEVENT1\0\xff\xff\xff\xff");
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

fn keep(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
