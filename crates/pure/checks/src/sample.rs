//! Evidence of a small honest product, made by hand, for tests that change one thing in it.

use std::collections::BTreeMap;

use etherparse::PacketBuilder;
use watchglass_events::log::LogWriter;
use watchglass_events::{
    Access, Actor, Digest, Direction, FileId, FileKind, Flow, How, Name, Outcome, Peer, Process,
    SocketId, Source, Tier, Transport, What,
};
use watchglass_evidence::{
    Campaign, Environment, InventoryFile, Network, PartName, PlannedRun, WorldKind, to_canonical,
    to_lines,
};
use watchglass_packets::pcapng::{CaptureWriter, Frame};

use crate::bait::{home_of, plant};
use crate::{Case, derive};

pub(crate) const HOST: [u8; 4] = [192, 0, 2, 10];
const SUBJECT: [u8; 4] = [10, 77, 0, 2];
const GATE: [u8; 4] = [10, 77, 0, 1];
pub(crate) const REQUEST: &[u8] =
    b"GET /signatures HTTP/1.1\r\nHost: updates.example\r\nUser-Agent: toy/1\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOKEN: &str = "canarycanarycanarycanary";
const FILES: u32 = 24;

pub(crate) const PRODUCT: &str = r#"
schema = 1
[product]
name = "Toy"
vendor = "Toys"
jurisdiction = "CH"
[install]
host = true
[[phase]]
name = "update"
domain = "updater"
run = ["toy-update"]
[[phase]]
name = "scan"
domain = "scanner"
run = ["toy-scan", "{bait}"]
[domain.scanner]
programs = ["toy-scan"]
reads = ["{bait}/**"]
writes = ["/var/log/toy.log"]
[domain.updater]
programs = ["toy-update"]
writes = ["/var/lib/toy/**"]
contacts = [{ host = "updates.example", port = 80, purpose = "updates" }]
[[domain.updater.sends]]
to = "updates.example"
per_day = 24
fields = [
  { name = "path", class = "constant", max_bytes = 64 },
  { name = "User-Agent", class = "constant", max_bytes = 64 },
]
"#;

/// What a test changes in the evidence of each run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) request: Vec<u8>,
    pub(crate) sensor: Vec<(u32, What)>,
    pub(crate) with_packets: bool,
    pub(crate) canary_in_sensor: bool,
    pub(crate) lost: u64,
}

impl Sample {
    pub(crate) fn honest(run: &str) -> Self {
        let seed = Digest::of(if run == "B" { b"second" } else { b"first" }).to_string();
        let mut sample = Self {
            request: REQUEST.to_vec(),
            sensor: Vec::new(),
            with_packets: true,
            canary_in_sensor: true,
            lost: 0,
        };
        sample.sensor.push((10, executed("/usr/bin/toy-update")));
        sample.sensor.extend(sends(10, REQUEST.len() as u64));
        sample.sensor.push((10, opened("/var/lib/toy/db", WRITE)));
        sample.sensor.push((20, executed("/usr/bin/toy-scan")));
        let (identity, bait) = plant(&seed, FILES).expect("a seed");
        for file in &bait.planned {
            let path = format!("{}/{}", home_of(&identity), file.path);
            sample.sensor.push((20, opened(&path, READ)));
        }
        sample.sensor.push((20, opened("/var/log/toy.log", WRITE)));
        sample
    }
}

pub(crate) const READ: Access =
    Access { read: true, write: false, create: false, truncate: false, path_only: false };
pub(crate) const WRITE: Access =
    Access { read: false, write: true, create: true, truncate: false, path_only: false };

pub(crate) fn opened(path: &str, access: Access) -> What {
    let file = FileId { device: 1, inode: 1, generation: 0, kind: FileKind::Regular };
    What::Opened { path: path.into(), claimed: None, file: Some(file), access, error: None }
}

pub(crate) fn executed(path: &str) -> What {
    let digest = Some(Digest::of(path.as_bytes()));
    What::Executed { path: path.into(), file: None, digest, argv: Vec::new() }
}

/// A connection to the update server, with its question to the resolver.
pub(crate) fn sends(pid: u32, bytes: u64) -> Vec<(u32, What)> {
    let socket = Some(SocketId { inode: u64::from(pid), cookie: 0 });
    let peer = Peer::Internet { address: HOST.into(), port: 80 };
    let resolver = Some(Peer::Internet { address: GATE.into(), port: 53 });
    let asked = question("updates.example").len() as u64;
    vec![
        (pid, What::Sent { socket: None, peer: resolver, bytes: asked, calls: 1, error: None }),
        (pid, What::Connected { socket, peer, error: None }),
        (pid, What::Sent { socket, peer: None, bytes, calls: 1, error: None }),
    ]
}

/// The results of a campaign of A1, A2 and B.
pub(crate) fn results(change: impl Fn(&str, &mut Sample)) -> crate::results::Results {
    let case = Case::from_parts(&parts(change)).expect("a case");
    derive(&case)
}

/// The state of one check.
pub(crate) fn state(results: &crate::results::Results, id: &str) -> crate::results::State {
    results.checks.iter().find(|check| check.id == id).expect("the check").state
}

pub(crate) fn parts(change: impl Fn(&str, &mut Sample)) -> BTreeMap<PartName, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, bytes| parts.insert(PartName::parse(name).expect("a name"), bytes);
    put("product.toml", PRODUCT.as_bytes().to_vec());
    put("campaign.json", to_canonical(&campaign()).expect("JSON"));
    put("environment.json", to_canonical(&environment()).expect("JSON"));
    put("inventory.jsonl", to_lines(&inventory()).expect("JSON"));
    for run in &campaign().runs {
        let mut sample = Sample::honest(&run.name);
        change(&run.name, &mut sample);
        put(&format!("runs/{}/lab.log", run.name), lab(run, &sample));
        put(&format!("runs/{}/sensor.log", run.name), sensor(&sample));
        put(&format!("runs/{}/gate.log", run.name), gate(&sample));
        put(&format!("runs/{}/overlay.log", run.name), overlay());
        put(&format!("runs/{}/packets.pcapng", run.name), packets(&sample));
    }
    parts
}

fn campaign() -> Campaign {
    let run = |name: &str, seed: &[u8], same_world| PlannedRun {
        name: name.to_owned(),
        seed: Digest::of(seed).to_string(),
        same_world,
        network: true,
        configured: true,
        phases: vec!["update".to_owned(), "scan".to_owned()],
    };
    Campaign {
        schema: 1,
        assayer: "test".to_owned(),
        began_unix_seconds: 0,
        world: WorldKind::Host,
        network: Network::Vendor,
        tier: Tier::T1,
        runs: vec![
            run("A1", b"first", false),
            run("A2", b"first", true),
            run("B", b"second", false),
        ],
        choices: Vec::new(),
        bait_files: FILES,
        idle_speed: 1,
        bait_generator: watchglass_bait::GENERATOR_VERSION,
    }
}

fn environment() -> Environment {
    Environment {
        schema: 1,
        kernel: "6".to_owned(),
        architecture: "x86_64".to_owned(),
        processors: 1,
        memory_bytes: 1,
        locale: "C".to_owned(),
        tools: Vec::new(),
    }
}

fn inventory() -> Vec<InventoryFile> {
    let file = |path: &str| InventoryFile::File {
        path: path.to_owned(),
        bytes: 1,
        sha256: Digest::of(path.as_bytes()).to_string(),
    };
    vec![file("/usr/bin/toy-update"), file("/usr/bin/toy-scan")]
}

fn actor(pid: u32) -> Actor {
    Actor { process: process(pid), thread: pid, uid: 0 }
}

fn process(pid: u32) -> Process {
    Process { pid, start_ns: 0 }
}

fn lab(run: &PlannedRun, sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Lab).expect("memory");
    let mut mark = |at_ns, what| log.append(at_ns, None, what).map(drop).expect("memory");
    mark(0, What::RunStarted { run: run.name.clone(), unix_seconds: 0, tier: Tier::T1 });
    let expect = vec![Source::Tracepoint, Source::Overlay, Source::Gate, Source::Capture];
    mark(1, What::CanaryPlaced { token: TOKEN.to_owned(), process: process(5), expect });
    for (phase, pid) in [("update", 10), ("scan", 20)] {
        let (phase, process) = (phase.to_owned(), process(pid));
        mark(2, What::StepStarted { phase: phase.clone(), step: 0, argv: Vec::new(), process });
        let outcome = Outcome::Exited(0);
        mark(900, What::StepEnded { phase, step: 0, outcome, expected: true });
    }
    let ended = |of, lost| What::SourceEnded {
        of,
        emitted: 100,
        received: 100 - lost,
        lost,
        blind: Vec::new(),
    };
    mark(999, ended(Source::Tracepoint, sample.lost));
    mark(999, ended(Source::Lab, 0));
    log.finish().expect("memory")
}

fn sensor(sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Tracepoint).expect("memory");
    if sample.canary_in_sensor {
        let path = format!("/var/tmp/{TOKEN}");
        log.append(3, Some(actor(5)), opened(&path, WRITE)).expect("memory");
        let peer = Some(Peer::Internet { address: GATE.into(), port: 53 });
        let bytes = question(&format!("{TOKEN}.canary.example")).len() as u64;
        let asked = What::Sent { socket: None, peer, bytes, calls: 1, error: None };
        log.append(4, Some(actor(5)), asked).expect("memory");
    }
    for ((pid, what), at_ns) in sample.sensor.iter().zip(10_u64..) {
        log.append(at_ns, Some(actor(*pid)), what.clone()).expect("memory");
    }
    log.finish().expect("memory")
}

fn gate(sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Gate).expect("memory");
    let mut mark = |what| log.append(50, None, what).map(drop).expect("memory");
    let dns = flow(Transport::Udp, GATE, 53);
    let datagram =
        |direction, data: Vec<u8>| What::Datagram { flow: dns, direction, data: Name::new(data) };
    mark(datagram(Direction::Sent, question("updates.example")));
    mark(datagram(Direction::Received, answer("updates.example", HOST)));
    mark(datagram(Direction::Sent, question(&format!("{TOKEN}.canary.example"))));
    let flow = flow(Transport::Tcp, HOST, 80);
    mark(What::StreamOpened { stream: 0, flow, tls: None, service: "http".to_owned() });
    let data =
        |direction, data: &[u8]| What::StreamData { stream: 0, direction, data: Name::new(data) };
    mark(data(Direction::Sent, &sample.request));
    mark(data(Direction::Received, ANSWER));
    let (sent, received) = (sample.request.len() as u64, ANSWER.len() as u64);
    mark(What::StreamClosed { stream: 0, how: How::Finished, sent, received });
    log.finish().expect("memory")
}

fn flow(transport: Transport, to: [u8; 4], to_port: u16) -> Flow {
    Flow { transport, from: SUBJECT.into(), from_port: 40_000, to: to.into(), to_port }
}

fn overlay() -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Overlay).expect("memory");
    for path in [format!("/var/tmp/{TOKEN}"), "/var/lib/toy/db".to_owned()] {
        let what = What::Differs {
            digest: Some(Digest::of(TOKEN.as_bytes())),
            path: Name::from(path.as_str()),
            change: watchglass_events::Change::Added,
            kind: FileKind::Regular,
            mode: 0o644,
            uid: 0,
            bytes: 24,
            content: None,
        };
        log.append(99, None, what).expect("memory");
    }
    log.finish().expect("memory")
}

fn packets(sample: &Sample) -> Vec<u8> {
    let mut frames: Vec<(Direction, Vec<u8>)> = Vec::new();
    let canary = question(&format!("{TOKEN}.canary.example"));
    for message in [question("updates.example"), canary] {
        frames.push((Direction::Sent, udp(SUBJECT, GATE, &message)));
    }
    let answered = answer("updates.example", HOST);
    frames.push((Direction::Received, udp(GATE, SUBJECT, &answered)));
    if sample.with_packets {
        frames.extend(conversation(&sample.request));
    }
    let mut bytes = Vec::new();
    let mut capture = CaptureWriter::new(&mut bytes, 0, 1 << 30).expect("memory");
    for ((direction, bytes), at_ns) in frames.iter().zip(60_u64..) {
        let length = u32::try_from(bytes.len()).expect("a frame");
        capture.append(&Frame { at_ns, direction: *direction, length, bytes }).expect("memory");
    }
    capture.finish(0).expect("memory");
    bytes
}

/// One connection: opened, asked, answered, closed.
fn conversation(request: &[u8]) -> Vec<(Direction, Vec<u8>)> {
    let there = || PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(SUBJECT, HOST, 64);
    let back = || PacketBuilder::ethernet2([4; 6], [2; 6]).ipv4(HOST, SUBJECT, 64);
    let build = |builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>, payload: &[u8]| {
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).expect("memory");
        bytes
    };
    let asked = 101 + u32::try_from(request.len()).expect("a request");
    let answered = 501 + u32::try_from(ANSWER.len()).expect("an answer");
    let from = |sequence| there().tcp(40_000, 80, sequence, 1000);
    let to = |sequence| back().tcp(80, 40_000, sequence, 1000);
    vec![
        (Direction::Sent, build(from(100).syn(), b"")),
        (Direction::Received, build(to(500).syn().ack(101), b"")),
        (Direction::Sent, build(from(101).ack(501), request)),
        (Direction::Received, build(to(501).ack(asked), ANSWER)),
        (Direction::Sent, build(from(asked).ack(answered).fin(), b"")),
        (Direction::Received, build(to(answered).ack(asked + 1).fin(), b"")),
    ]
}

fn udp(from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let ports = if to == GATE { (40_000, 53) } else { (53, 40_000) };
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64).udp(ports.0, ports.1);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).expect("memory");
    bytes
}

/// A question for an address, RFC 1035 §4.1.
pub(crate) fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    encode(&mut message, name);
    message.extend([0, 1, 0, 1]);
    message
}

fn answer(name: &str, address: [u8; 4]) -> Vec<u8> {
    let mut message = vec![0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    encode(&mut message, name);
    message.extend([0, 1, 0, 1]);
    encode(&mut message, name);
    message.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend(address);
    message
}

fn encode(message: &mut Vec<u8>, name: &str) {
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend(label.as_bytes());
    }
    message.push(0);
}
