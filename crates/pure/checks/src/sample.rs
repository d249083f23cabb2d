//! Evidence of a small honest product, made by hand, for tests that change one thing in it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use etherparse::PacketBuilder;
use watchglass_bait::{Bait, Identity};
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
/// Canaries before the first and after the last phase, each with its process.
const CANARIES: [(&str, u32); 2] =
    [("canarycanarycanarycanary", 5), ("lastcanarylastcanarylast", 6)];
const CANARY_HOST: [u8; 4] = [192, 0, 2, 77];
pub(crate) const LIBRARY: &str = "/usr/lib/libssl.so.3";
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
setup = [["install", "--directory", "/run/toy"]]
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
  { name = "If-Match", class = "echo", max_bytes = 64 },
]
"#;

/// An idle phase that is short enough for the machine's own clock.
const IDLE: &str = r#"
[[phase]]
name = "idle"
domain = "scanner"
run = ["toy-scan"]
for = "1m"
"#;

/// What a test changes in the whole campaign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) tier: Tier,
    /// Whether every check of this version can be kept: with an idle phase, a run without a network,
    /// and a product that reports the samples.
    pub(crate) whole: bool,
}

impl Scene {
    pub(crate) const PLAIN: Self = Self { tier: Tier::T1, whole: false };

    pub(crate) fn kernel_source(self) -> Source {
        if self.tier == Tier::T0 { Source::Ptrace } else { Source::Tracepoint }
    }

    /// The sources of a run with a network.
    pub(crate) fn sources(self) -> Vec<Source> {
        let mut sources =
            vec![self.kernel_source(), Source::Overlay, Source::Gate, Source::Capture];
        if self.tier != Tier::T0 {
            sources.extend([Source::Cgroup, Source::Uprobe]);
        }
        sources
    }
}

/// What a test changes in the evidence of each run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) request: Vec<u8>,
    pub(crate) sensor: Vec<(u32, What)>,
    pub(crate) with_packets: bool,
    pub(crate) canary_in_sensor: bool,
    pub(crate) lost: u64,
    /// The source that lost them.
    pub(crate) lost_by: Source,
    /// Sources that miss the canaries, the first or all.
    pub(crate) missed: Vec<Source>,
    /// Sources that record nothing whatever.
    pub(crate) blind: Vec<Source>,
    /// Sources that the lab does not expect to see the canaries.
    pub(crate) unexpected: Vec<Source>,
    /// TLS libraries that canaries speak through.
    pub(crate) libraries: Vec<Name>,
    /// How many canaries sing.
    pub(crate) canaries: usize,
    /// What the canaries run; the lab's own program is these bytes.
    pub(crate) canary_program: &'static [u8],
    /// Whether the request went through TLS: what the process gave to the library, by session.
    pub(crate) tls: Option<Vec<(u64, Vec<u8>)>>,
    /// When the set-up command ended, whose process is number 30.
    pub(crate) set_up_until_ns: u64,
}

impl Sample {
    pub(crate) fn honest(run: &str) -> Self {
        let second = matches!(run, "B" | "C");
        let seed = Digest::of(if second { b"second" } else { b"first" }).to_string();
        let mut sample = Self {
            request: REQUEST.to_vec(),
            sensor: Vec::new(),
            with_packets: true,
            canary_in_sensor: true,
            lost: 0,
            lost_by: Source::Tracepoint,
            missed: Vec::new(),
            blind: Vec::new(),
            unexpected: Vec::new(),
            libraries: vec![LIBRARY.into()],
            canaries: CANARIES.len(),
            canary_program: b"the lab",
            tls: None,
            set_up_until_ns: 800,
        };
        sample.sensor.push((10, executed("/usr/bin/toy-update")));
        if run != "C" {
            sample.sensor.extend(sends(10, REQUEST.len() as u64));
        }
        sample.sensor.push((10, opened("/var/lib/toy/db", WRITE)));
        sample.sensor.push((30, executed("/usr/bin/install")));
        sample.sensor.push((30, opened("/run/toy/made", WRITE)));
        sample.sensor.push((20, executed("/usr/bin/toy-scan")));
        let (identity, bait) = planted(&seed);
        for file in &bait.planned {
            let path = format!("{}/{}", home_of(identity), file.path);
            sample.sensor.push((20, opened(&path, READ)));
        }
        sample.sensor.push((20, opened("/var/log/toy.log", WRITE)));
        sample
    }

    fn misses(&self, source: Source) -> bool {
        let kernel = matches!(source, Source::Tracepoint | Source::Ptrace);
        (kernel && !self.canary_in_sensor)
            || self.missed.contains(&source)
            || self.blind.contains(&source)
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
    parts_of(Scene::PLAIN, change)
}

/// The results of a campaign in a scene.
pub(crate) fn results_of(
    scene: Scene,
    change: impl Fn(&str, &mut Sample),
) -> crate::results::Results {
    derive(&Case::from_parts(&parts_of(scene, change)).expect("a case"))
}

pub(crate) fn parts_of(
    scene: Scene,
    change: impl Fn(&str, &mut Sample),
) -> BTreeMap<PartName, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, bytes| parts.insert(PartName::parse(name).expect("a name"), bytes);
    let product = if scene.whole { product_with_idle() } else { PRODUCT.to_owned() };
    put("product.toml", product.into_bytes());
    put("campaign.json", to_canonical(&campaign(scene)).expect("JSON"));
    put("environment.json", to_canonical(&environment()).expect("JSON"));
    put("inventory.jsonl", to_lines(&inventory()).expect("JSON"));
    for run in &campaign(scene).runs {
        let mut sample = Sample::honest(&run.name);
        change(&run.name, &mut sample);
        put(&format!("runs/{}/lab.log", run.name), lab(run, scene, &sample));
        put(&format!("runs/{}/sensor.log", run.name), sensor(run, scene, &sample));
        put(&format!("runs/{}/gate.log", run.name), gate(run, &sample));
        put(&format!("runs/{}/overlay.log", run.name), overlay(&sample));
        put(&format!("runs/{}/packets.pcapng", run.name), packets(run, &sample));
    }
    parts
}

fn product_with_idle() -> String {
    PRODUCT.replacen("[domain.scanner]", &format!("{IDLE}\n[domain.scanner]"), 1)
}

fn campaign(scene: Scene) -> Campaign {
    let phases = if scene.whole { &["update", "scan", "idle"][..] } else { &["update", "scan"] };
    let run = |name: &str, seed: &[u8], same_world| PlannedRun {
        name: name.to_owned(),
        seed: Digest::of(seed).to_string(),
        same_world,
        network: name != "C",
        configured: true,
        phases: phases.iter().map(|phase| (*phase).to_owned()).collect(),
    };
    let mut runs =
        vec![run("A1", b"first", false), run("A2", b"first", true), run("B", b"second", false)];
    if scene.whole {
        runs.push(run("C", b"second", true));
    }
    Campaign {
        schema: 1,
        assayer: "test".to_owned(),
        began_unix_seconds: 0,
        world: WorldKind::Host,
        network: Network::Vendor,
        tier: scene.tier,
        runs,
        choices: Vec::new(),
        bait_files: FILES,
        idle_speed: 1,
        bait_generator: watchglass_bait::GENERATOR_VERSION,
    }
}

/// The commands: phase, number in it, process.
const PHASES: [(&str, u32, u32); 4] =
    [("update", 0, 10), ("scan", 0, SET_UP), ("scan", 1, 20), ("idle", 0, 20)];
/// When the idle time is over: a minute, which is what the product file asks for.
const IDLE_UNTIL_NS: u64 = 60_000_000_003;
/// The process of the set-up command.
const SET_UP: u32 = 30;

fn environment() -> Environment {
    Environment {
        schema: 1,
        kernel: "6".to_owned(),
        architecture: "x86_64".to_owned(),
        processors: 1,
        memory_bytes: 1,
        locale: "C".to_owned(),
        tools: vec![watchglass_evidence::Tool {
            name: "watchglass-lab".to_owned(),
            version: String::new(),
            sha256: Digest::of(b"the lab").to_string(),
        }],
    }
}

fn inventory() -> Vec<InventoryFile> {
    let file = |path: &str| InventoryFile::File {
        path: path.to_owned(),
        bytes: 1,
        sha256: Digest::of(path.as_bytes()).to_string(),
    };
    // The helper is in no domain.
    vec![file("/usr/bin/toy-update"), file("/usr/bin/toy-scan"), file("/usr/bin/toy-helper")]
}

fn actor(pid: u32) -> Actor {
    Actor { process: process(pid), thread: pid, uid: 0 }
}

fn process(pid: u32) -> Process {
    Process { pid, start_ns: 0 }
}

fn lab(run: &PlannedRun, scene: Scene, sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Lab).expect("memory");
    let mut mark = |at_ns, what| log.append(at_ns, None, what).map(drop).expect("memory");
    let tier = scene.tier;
    mark(0, What::RunStarted { run: run.name.clone(), unix_seconds: 0, tier });
    let mut expect = scene.sources();
    let has_uprobes = tier != Tier::T0 && run.network;
    expect.retain(|source| match source {
        Source::Gate => run.network,
        Source::Uprobe => run.network && !sample.libraries.is_empty(),
        source => !sample.unexpected.contains(source),
    });
    expect.retain(|source| !sample.unexpected.contains(source));
    let libraries = has_uprobes.then(|| sample.libraries.clone());
    let placed: Vec<What> = CANARIES[..sample.canaries]
        .iter()
        .map(|(token, pid)| What::CanaryPlaced {
            token: (*token).to_owned(),
            process: process(*pid),
            expect: expect.clone(),
            libraries: libraries.clone(),
        })
        .collect();
    let mut placed = placed.into_iter();
    placed.next().into_iter().for_each(|canary| mark(1, canary));
    for &(phase, step, pid) in
        PHASES.iter().filter(|(phase, ..)| run.phases.iter().any(|p| p == phase))
    {
        let (phase, process) = (phase.to_owned(), process(pid));
        let until_ns = if pid == SET_UP { sample.set_up_until_ns } else { 900 };
        mark(2, What::StepStarted { phase: phase.clone(), step, argv: Vec::new(), process });
        if phase == "idle" {
            mark(3, What::IdleBegan { phase: phase.clone() });
            mark(IDLE_UNTIL_NS, What::IdleEnded { phase: phase.clone(), untouched: true });
        }
        let outcome = Outcome::Exited(0);
        mark(until_ns, What::StepEnded { phase, step, outcome, expected: true });
    }
    placed.for_each(|canary| mark(901, canary));
    if scene.whole {
        mark(902, report(run));
    }
    let mut sources = scene.sources();
    sources.push(Source::Lab);
    for of in sources {
        let lost = if of == sample.lost_by { sample.lost } else { 0 };
        // The gate and the overlay give what is in their logs; the others sum up.
        let logged =
            |log: Vec<u8>| watchglass_events::log::parse(&log).expect("a log").events.len();
        let emitted = match of {
            Source::Gate => logged(gate(run, sample)) as u64 + lost,
            Source::Overlay => logged(overlay(sample)) as u64 + lost,
            _ => 100,
        };
        let received = emitted - lost;
        mark(999, What::SourceEnded { of, emitted, received, lost, blind: Vec::new() });
    }
    log.finish().expect("memory")
}

/// What is planted for a seed, made once for each test.
fn planted(seed: &str) -> &'static (Identity, Bait) {
    static MADE: Mutex<BTreeMap<String, &'static (Identity, Bait)>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("no panic holds it");
    made.entry(seed.to_owned())
        .or_insert_with(|| Box::leak(Box::new(plant(seed, FILES).expect("a seed"))))
}

/// What the scanner prints of the samples.
fn report(run: &PlannedRun) -> What {
    let (_, bait) = planted(&run.seed);
    let samples = bait.samples();
    let detected =
        samples.iter().filter(|sample| sample.expected == watchglass_bait::Expected::Detected);
    let lines = detected
        .map(|sample| format!("{}/{}: Test FOUND\n", crate::bait::SAMPLES_FOLDER, sample.path));
    let bytes = Name::new(lines.collect::<String>().into_bytes());
    What::Printed { phase: "scan".to_owned(), step: 0, descriptor: 1, bytes, cut: 0 }
}

fn sensor(run: &PlannedRun, scene: Scene, sample: &Sample) -> Vec<u8> {
    let kernel = scene.kernel_source();
    let mut log = LogWriter::new(Vec::new(), kernel).expect("memory");
    for (token, pid) in &CANARIES[..sample.canaries] {
        let mut sing = |source, what| {
            if scene.sources().contains(&source) && !sample.misses(source) {
                log.append_from(source, 4, Some(actor(*pid)), what).expect("memory");
            }
        };
        let (path, digest) = ("/memfd:canary".into(), Some(Digest::of(sample.canary_program)));
        let argv = vec![Name::from(*token)];
        sing(kernel, What::Executed { path, file: None, digest, argv });
        sing(kernel, opened(&format!("/var/tmp/{token}"), WRITE));
        let resolver = Peer::Internet { address: GATE.into(), port: 53 };
        let bytes = question(&format!("{token}.canary.example")).len() as u64;
        let peer = Some(resolver.clone());
        sing(kernel, What::Sent { socket: None, peer, bytes, calls: 1, error: None });
        sing(Source::Cgroup, What::Connected { socket: None, peer: resolver, error: None });
        for library in sample.libraries.iter().filter(|_| run.network) {
            let data = Name::new(canary_request(token));
            sing(Source::Uprobe, tls(library.clone(), 1, data));
        }
    }
    for ((pid, what), at_ns) in sample.sensor.iter().zip(10_u64..) {
        if !sample.blind.contains(&kernel) {
            log.append(at_ns, Some(actor(*pid)), what.clone()).expect("memory");
        }
    }
    for (session, data) in sample.tls.iter().flatten() {
        let what = tls(LIBRARY.into(), *session, Name::new(data.clone()));
        log.append_from(Source::Uprobe, 500, Some(actor(10)), what).expect("memory");
    }
    log.finish().expect("memory")
}

fn tls(library: Name, session: u64, data: Name) -> What {
    What::Tls { library, direction: Direction::Sent, data, cut: 0, session: Some(session) }
}

fn canary_request(token: &str) -> Vec<u8> {
    format!("GET /{token} HTTP/1.1\r\nHost: {token}.canary.example\r\n\r\n").into_bytes()
}

fn gate(run: &PlannedRun, sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Gate).expect("memory");
    if run.network && !sample.blind.contains(&Source::Gate) {
        // Run A2 comes after A1.
        tell_gate(&mut log, sample, if run.name == "A2" { 51 } else { 50 });
    }
    log.finish().expect("memory")
}

fn tell_gate(log: &mut LogWriter<Vec<u8>>, sample: &Sample, at_ns: u64) {
    let mut mark = |what| log.append(at_ns, None, what).map(drop).expect("memory");
    let dns = flow(Transport::Udp, GATE, 53);
    let datagram =
        |direction, data: Vec<u8>| What::Datagram { flow: dns, direction, data: Name::new(data) };
    mark(datagram(Direction::Sent, question("updates.example")));
    mark(datagram(Direction::Received, answer("updates.example", HOST)));
    let data = |stream, direction, data: &[u8]| What::StreamData {
        stream,
        direction,
        data: Name::new(data),
    };
    for ((token, _), stream) in CANARIES[..sample.canaries].iter().zip(1..) {
        mark(datagram(Direction::Sent, question(&format!("{token}.canary.example"))));
        if !sample.misses(Source::Gate) {
            let flow = flow(Transport::Tcp, CANARY_HOST, 80);
            mark(What::StreamOpened { stream, flow, tls: None, service: "http".to_owned() });
            let request = canary_request(token);
            mark(data(stream, Direction::Sent, &request));
            let sent = request.len() as u64;
            mark(What::StreamClosed { stream, how: How::Finished, sent, received: 0 });
        }
    }
    let secured = sample.tls.as_ref().map(|_| facts());
    let flow = flow(Transport::Tcp, HOST, 80);
    mark(What::StreamOpened { stream: 0, flow, tls: secured, service: "http".to_owned() });
    mark(data(0, Direction::Sent, &sample.request));
    mark(data(0, Direction::Received, ANSWER));
    let (sent, received) = (sample.request.len() as u64, ANSWER.len() as u64);
    mark(What::StreamClosed { stream: 0, how: How::Finished, sent, received });
}

fn flow(transport: Transport, to: [u8; 4], to_port: u16) -> Flow {
    Flow { transport, from: SUBJECT.into(), from_port: 40_000, to: to.into(), to_port }
}

fn overlay(sample: &Sample) -> Vec<u8> {
    let mut log = LogWriter::new(Vec::new(), Source::Overlay).expect("memory");
    let canaries = CANARIES[..sample.canaries].iter().filter(|_| !sample.misses(Source::Overlay));
    let canaries = canaries.map(|(token, _)| (format!("/var/tmp/{token}"), *token));
    let own = [("/var/lib/toy/db".to_owned(), "db"), ("/run/toy/made".to_owned(), "made")];
    let own = own.into_iter().filter(|_| !sample.blind.contains(&Source::Overlay));
    for (path, content) in canaries.chain(own) {
        let what = What::Differs {
            digest: Some(Digest::of(content.as_bytes())),
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

fn packets(run: &PlannedRun, sample: &Sample) -> Vec<u8> {
    let mut frames: Vec<(Direction, Vec<u8>)> = Vec::new();
    for (token, _) in &CANARIES[..sample.canaries] {
        // One that is missed has still sent as many bytes.
        let name = if sample.misses(Source::Capture) { "x".repeat(24) } else { (*token).into() };
        let question = question(&format!("{name}.canary.example"));
        frames.push((Direction::Sent, udp(SUBJECT, GATE, &question)));
    }
    if run.network {
        frames.push((Direction::Sent, udp(SUBJECT, GATE, &question("updates.example"))));
        let answered = answer("updates.example", HOST);
        frames.push((Direction::Received, udp(GATE, SUBJECT, &answered)));
    }
    if sample.with_packets && run.network {
        frames.extend(conversation(&sample.request));
    }
    if sample.blind.contains(&Source::Capture) {
        frames.clear();
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

fn facts() -> watchglass_events::TlsFacts {
    let server_name = Some(Name::from("updates.example"));
    watchglass_events::TlsFacts { server_name, alpn: None, version: "TLSv1.3".to_owned() }
}
