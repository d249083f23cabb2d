//! Real programs in a network namespace of their own talk to the fake internet.
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "tests")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use watchglass_events::{Direction, Flow, How, TlsFacts, Transport, What, log};
use watchglass_fakenet::{
    Addresses, Authority, Configuration, FakeInternet, FakenetError, Limits, Network, Recordings,
    Scenario, Statistics, World,
};
use watchglass_packets::{Budget, Flows, flows, pcapng};

/// A namespace with the fake internet behind it.
struct Lab {
    internet: Option<FakeInternet>,
    world: Namespace,
    folder: tempfile::TempDir,
}

/// What was recorded.
struct Evidence {
    statistics: Statistics,
    events: Vec<What>,
    flows: Flows,
}

/// A stream: flow, TLS, service, how it ended, bytes from the subject, bytes to it.
type Stream = (Flow, Option<TlsFacts>, String, How, Vec<u8>, Vec<u8>);

/// A process that holds a network namespace open.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new(arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(arguments).args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
        let mut holder = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut ready = [0; 6];
        let read = std::io::Read::read_exact(holder.stdout.as_mut()?, &mut ready);
        let namespace = Self { holder };
        read.ok().map(|()| namespace)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let pid = self.holder.id().to_string();
        let mut command = Command::new("timeout");
        command.args(["40", "nsenter", "--preserve-credentials", "-t", &pid, "-U", "-n", program]);
        if same_user_namespace(&pid) {
            command = Command::new("timeout");
            command.args(["40", "nsenter", "-t", &pid, "-n", program]);
        }
        command.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.output().unwrap()
    }
}

fn same_user_namespace(pid: &str) -> bool {
    let link = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    link(pid) == link("self")
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Lab {
    fn start(test: &str, scenario: &str) -> Option<Self> {
        Self::start_with(test, scenario, |_| {})
    }

    fn start_with(
        test: &str,
        scenario: &str,
        change: impl FnOnce(&mut Configuration),
    ) -> Option<Self> {
        let Some(world) = Namespace::new(&["--net"]) else {
            return skip(test, "no right to make a network namespace");
        };
        Self::start_in(world, scenario, change).unwrap()
    }

    fn start_in(
        world: Namespace,
        scenario: &str,
        change: impl FnOnce(&mut Configuration),
    ) -> Result<Option<Self>, FakenetError> {
        let folder = tempfile::tempdir().unwrap();
        let mut configuration = configuration(scenario);
        change(&mut configuration);
        let certificate = configuration.authority.certificate_pem();
        std::fs::write(folder.path().join("authority.pem"), certificate).unwrap();
        let create = |name: &str| File::create(folder.path().join(name)).unwrap();
        let recordings = Recordings { capture: create("packets.pcapng"), log: create("gate.log") };
        let namespaces = if same_user_namespace(&world.holder.id().to_string()) {
            World::of_process(world.holder.id())?
        } else {
            World::of_process_in_its_user_namespace(world.holder.id())?
        };
        let program = Path::new(env!("CARGO_BIN_EXE_watchglass-fakenet-process"));
        let internet = FakeInternet::start(program, &configuration, &namespaces, recordings)?;
        Ok(Some(Self { internet: Some(internet), world, folder }))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.world.run(program, arguments)
    }

    /// Runs a line of Python and returns what it printed.
    fn python(&self, code: &str) -> String {
        let output = self.run("/usr/bin/python3", &["-c", code]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        let authority = self.path("authority.pem");
        // The name server is the gate, as the world's resolv.conf would say.
        let mut all = vec!["--silent", "--show-error", "--cacert", authority.to_str().unwrap()];
        all.extend_from_slice(arguments);
        self.run("curl", &all)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn finish(mut self) -> Evidence {
        let statistics = self.internet.take().unwrap().finish().unwrap();
        let read = log::parse(&std::fs::read(self.path("gate.log")).unwrap()).unwrap();
        assert_eq!(read.cut, None);
        let events: Vec<What> = read.events.into_iter().map(|event| event.what).collect();
        let bytes = std::fs::read(self.path("packets.pcapng")).unwrap();
        let capture = pcapng::parse(&bytes).unwrap();
        let totals = capture.totals.expect("the capture was ended");
        assert_eq!(capture.frames.len() as u64, totals.received - totals.dropped);
        let printed = Command::new("tcpdump").arg("-nr").arg(self.path("packets.pcapng")).output();
        let printed = printed.unwrap();
        assert!(printed.status.success());
        let lines = printed
            .stdout
            .split(|&byte| byte == b'\n')
            .filter(|line| line.first().is_some_and(u8::is_ascii_digit));
        assert_eq!(lines.count(), capture.frames.len(), "tcpdump sees what we see");
        let flows = flows(capture.frames, Budget::default());
        Evidence { statistics, events, flows }
    }
}

impl Evidence {
    /// Streams as they were opened and closed, after a check that their data adds up.
    fn streams(&self) -> Vec<Stream> {
        let mut streams = Vec::new();
        for event in &self.events {
            let What::StreamOpened { stream, flow, tls, service } = event else { continue };
            let text = |wanted: Direction| {
                let data = self.events.iter().filter_map(move |event| match event {
                    What::StreamData { stream: s, direction, data }
                        if s == stream && *direction == wanted =>
                    {
                        Some(data.as_bytes())
                    }
                    _ => None,
                });
                data.collect::<Vec<_>>().concat()
            };
            let (to_gate, from_gate) = (text(Direction::Sent), text(Direction::Received));
            let closed = self.events.iter().find_map(|event| match event {
                What::StreamClosed { stream: s, how, sent, received } if s == stream => {
                    Some((how, sent, received))
                }
                _ => None,
            });
            let (how, sent, received) = closed.expect("every stream is closed");
            assert_eq!((to_gate.len() as u64, from_gate.len() as u64), (*sent, *received));
            let (tls, service) = (tls.clone(), service.clone());
            streams.push((*flow, tls, service, how.clone(), to_gate, from_gate));
        }
        streams
    }

    fn datagrams(&self) -> Vec<(Flow, Direction, Vec<u8>)> {
        let datagrams = self.events.iter().filter_map(|event| match event {
            What::Datagram { flow, direction, data } => {
                Some((*flow, *direction, data.as_bytes().to_vec()))
            }
            _ => None,
        });
        datagrams.collect()
    }

    /// Payload on the link equals clear text at the gate, for every plain TCP stream.
    fn assert_bytes_add_up(&self) {
        for (flow, tls, _, _, sent, received) in self.streams() {
            let record = self.flows.flows.iter().find(|record| record.flow == flow);
            let record = record.unwrap_or_else(|| panic!("{flow:?} is not in the capture"));
            if tls.is_none() {
                assert_eq!(record.sent.stream.bytes, sent, "{flow:?}");
                assert_eq!(record.received.stream.bytes, received, "{flow:?}");
                assert!(record.sent.stream.is_whole() && record.received.stream.is_whole());
            }
        }
    }
}

fn configuration(scenario: &str) -> Configuration {
    let scenario: Scenario = toml::from_str(scenario).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Configuration {
        network: Network::Vendor,
        scenario,
        authority: Authority::generate(now.as_secs() as i64).unwrap(),
        addresses: Addresses::default(),
        limits: Limits { silence_ms: 300, ..Limits::default() },
        clock_offset_seconds: 0,
    }
}

fn skip<T>(test: &str, why: &str) -> Option<T> {
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {why}");
    eprintln!("skipped: {test}: {why}");
    None
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const VENDOR: &str = r#"
    [[hosts]]
    host = "vendor.example.org"
    address = "192.0.2.10"
    answers = [
        { path = "/hello", body = "hello from the vendor\n" },
        { path = "/upload", method = "POST", status = 201, body = "thanks" },
    ]
    [[hosts]]
    host = "refuse.example.org"
    address = "192.0.2.20"
    fault = "refuse"
    [[hosts]]
    host = "reset.example.org"
    address = "192.0.2.21"
    fault = "reset"
    [[hosts]]
    host = "garbage.example.org"
    address = "192.0.2.22"
    fault = "garbage"
    [[hosts]]
    host = "silent.example.org"
    address = "192.0.2.23"
    fault = "silent"
    [[hosts]]
    host = "wrong.example.org"
    address = "192.0.2.24"
    fault = "wrong_certificate"
    [[hosts]]
    host = "busy.example.org"
    address = "192.0.2.25"
    fault = { status = 429 }
    [[hosts]]
    host = "slow.example.org"
    address = "192.0.2.26"
    fault = { slow = { bytes_per_second = 2000, delay_ms = 300 } }
    answers = [{ path = "*", body = "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX" }]
"#;

#[test]
fn http_over_ipv4_and_ipv6_is_answered_and_every_byte_adds_up() {
    let Some(lab) = Lab::start("http", VENDOR) else { return };
    let resolve = ["--resolve", "vendor.example.org:80:192.0.2.10"];
    let hello = lab.curl(&[&resolve[..], &["http://vendor.example.org/hello"]].concat());
    assert_eq!(printed(&hello), "hello from the vendor\n");
    let resolve = ["--resolve", "vendor.example.org:8080:[2001:db8::99]"];
    let hello = lab.curl(&[&resolve[..], &["http://vendor.example.org:8080/hello"]].concat());
    assert_eq!(printed(&hello), "hello from the vendor\n", "{hello:?}");
    let evidence = lab.finish();
    assert_eq!(evidence.statistics.problems, [""; 0]);
    let streams = evidence.streams();
    assert_eq!(streams.len(), 2);
    let (first, second) = (&streams[0], &streams[1]);
    assert_eq!(
        (first.0.to, first.0.to_port, first.2.as_str()),
        ([192, 0, 2, 10].into(), 80, "http")
    );
    assert!(first.4.starts_with(b"GET /hello HTTP/1.1\r\n") && first.3 == How::Finished);
    assert_eq!((second.0.to.to_string().as_str(), second.0.to_port), ("2001:db8::99", 8080));
    evidence.assert_bytes_add_up();
}

#[test]
fn uploads_are_read_whole_chunked_and_after_a_continue() {
    let Some(lab) = Lab::start("upload", VENDOR) else { return };
    let body = vec![b'u'; 300_000];
    std::fs::write(lab.path("body"), &body).unwrap();
    let data = format!("@{}", lab.path("body").display());
    let url = "http://192.0.2.10/upload";
    for more in [&["-H", "Expect: 100-continue"][..], &["-H", "Transfer-Encoding: chunked"]] {
        let arguments = [&["--data-binary", &data, url, "-w", "%{http_code}"], more].concat();
        let arguments = [&["-H", "Host: vendor.example.org"][..], &arguments].concat();
        assert_eq!(printed(&lab.curl(&arguments)), "thanks201");
    }
    let evidence = lab.finish();
    let streams = evidence.streams();
    assert!(streams[0].5.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201"));
    for stream in &streams {
        let uploaded = stream.4.iter().filter(|&&byte| byte == b'u').count();
        assert!(uploaded >= body.len(), "{uploaded}");
    }
    evidence.assert_bytes_add_up();
}

#[test]
fn https_is_answered_to_those_who_trust_the_authority_and_recorded_for_others() {
    let Some(lab) = Lab::start("https", VENDOR) else { return };
    let resolve = ["--resolve", "vendor.example.org:443:192.0.2.10"];
    let url = "https://vendor.example.org/hello";
    let hello = lab.curl(&[&resolve[..], &[url]].concat());
    assert_eq!(printed(&hello), "hello from the vendor\n", "{hello:?}");
    let old = lab.curl(&[&resolve[..], &["--tls-max", "1.2", url]].concat());
    assert_eq!(printed(&old), "hello from the vendor\n");
    let by_address = lab.curl(&["https://198.51.100.99/"]);
    assert!(by_address.status.success(), "{by_address:?}");
    let distrusting =
        lab.run("curl", &[&resolve[..], &["--cacert", "/dev/null", "-sS", url]].concat());
    assert!(!distrusting.status.success());
    let evidence = lab.finish();
    let streams = evidence.streams();
    assert_eq!(streams.len(), 4);
    let facts = streams[0].1.as_ref().unwrap();
    assert_eq!(facts.server_name.as_ref().unwrap().to_string(), "vendor.example.org");
    assert_eq!(facts.version, "TLSv1.3");
    assert_eq!(facts.alpn.as_ref().unwrap().as_bytes(), b"http/1.1");
    assert!(streams[0].4.starts_with(b"GET /hello HTTP/1.1\r\n"), "clear text");
    assert_eq!(streams[1].1.as_ref().unwrap().version, "TLSv1.2");
    assert_eq!(streams[2].1.as_ref().unwrap().server_name, None);
    assert!(matches!(streams[3].3, How::TlsFailed(_)), "{:?}", streams[3].3);
    let hello = &evidence.flows.flows[0].sent.stream.bytes;
    let hello = watchglass_packets::hello::parse(hello).unwrap();
    assert_eq!(hello.server_name.unwrap(), b"vendor.example.org");
}

#[test]
fn faults_are_what_a_subject_sees() {
    let Some(lab) = Lab::start("faults", VENDOR) else { return };
    let code = |arguments: &[&str]| {
        let output = lab.curl(&[&["--max-time", "2"], arguments].concat());
        output.status.code().unwrap()
    };
    assert_eq!(code(&["http://192.0.2.20/"]), 7, "refused");
    assert_eq!(code(&["http://192.0.2.21/"]), 56, "reset");
    assert_eq!(code(&["http://192.0.2.22/"]), 1, "garbage is not HTTP");
    assert_eq!(code(&["http://192.0.2.23/"]), 28, "silent");
    let resolve = "wrong.example.org:443:192.0.2.24";
    assert_eq!(code(&["--resolve", resolve, "https://wrong.example.org/"]), 60, "wrong name");
    let busy = lab.curl(&["http://192.0.2.25/", "-w", "%{http_code}"]);
    assert_eq!(printed(&busy), "429");
    let begun = Instant::now();
    assert_eq!(printed(&lab.curl(&["http://192.0.2.26/"])).len(), 72);
    assert!(begun.elapsed() > Duration::from_millis(350), "{:?}", begun.elapsed());
    let evidence = lab.finish();
    let services: Vec<String> = evidence.streams().into_iter().map(|stream| stream.2).collect();
    assert_eq!(services, ["reset", "garbage", "silent", "http", "http", "http"]);
}

#[test]
fn every_port_takes_what_it_is_given() {
    let Some(lab) = Lab::start("every port", "") else { return };
    lab.python(
        r#"
import socket
for family, host in ((socket.AF_INET, "203.0.113.77"), (socket.AF_INET6, "2001:db8::7")):
    for port in (1, 9, 22, 53535, 65535):
        s = socket.socket(family)
        s.connect((host, port))
        s.sendall(b"secret %d" % port)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(100) == b""
"#,
    );
    let evidence = lab.finish();
    let streams = evidence.streams();
    let ports: Vec<u16> = streams.iter().map(|stream| stream.0.to_port).collect();
    assert_eq!(ports, [1, 9, 22, 53535, 65535, 1, 9, 22, 53535, 65535]);
    assert!(streams.iter().all(|s| s.4 == format!("secret {}", s.0.to_port).as_bytes()));
    evidence.assert_bytes_add_up();
}

#[test]
fn servers_that_speak_first_do() {
    let Some(lab) = Lab::start("greetings", "") else { return };
    let greetings = lab.python(
        r#"
import socket
for port in (21, 25, 110, 143, 587):
    s = socket.create_connection(("203.0.113.77", port))
    print(s.recv(100).decode().split()[0])
"#,
    );
    assert_eq!(greetings, "220\n220\n+OK\n*\n220\n");
    let evidence = lab.finish();
    let services: Vec<String> = evidence.streams().into_iter().map(|stream| stream.2).collect();
    assert_eq!(services, ["ftp", "smtp", "pop3", "imap", "smtp"]);
}

#[test]
fn fast_open_data_reaches_the_gate_and_is_counted() {
    let Some(lab) = Lab::start("fast open", "") else { return };
    lab.python(
        r#"
import socket
for _ in range(2):
    s = socket.socket()
    s.sendto(b"early bird", socket.MSG_FASTOPEN, ("203.0.113.77", 4444))
    s.shutdown(socket.SHUT_WR)
    assert s.recv(100) == b""
"#,
    );
    let evidence = lab.finish();
    assert!(evidence.streams().iter().all(|stream| stream.4 == b"early bird"));
    let early: u64 = evidence.flows.flows.iter().map(|flow| flow.sent.fast_open_bytes).sum();
    assert!(early >= 10, "{early}");
    evidence.assert_bytes_add_up();
}

/// A resolver in Python, as the machine's own is led by files of the machine.
const RESOLVER: &str = r#"
import socket, struct
def ask(name, kind, server="10.77.0.1", tcp=False, family=socket.AF_INET):
    q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
    q += b"".join(bytes([len(l)]) + l for l in name.encode().split(b".")) + b"\0"
    q += struct.pack(">HH", kind, 1)
    s = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((server, 53))
    s.send(struct.pack(">H", len(q)) + q if tcp else q)
    r = s.recv(4096)
    return r[2:] if tcp else r
"#;

#[test]
fn names_are_answered_at_any_address_by_datagram_and_stream() {
    let Some(lab) = Lab::start("names", VENDOR) else { return };
    let code = r#"
want = bytes([192, 0, 2, 10])
assert ask("vendor.example.org", 1).endswith(want)
assert ask("vendor.example.org", 1, server="8.8.8.8").endswith(want)
assert ask("vendor.example.org", 1, server="9.9.9.9", tcp=True).endswith(want)
assert ask("vendor.example.org", 1, server="2001:db8::53", family=socket.AF_INET6).endswith(want)
assert ask("10.2.0.192.in-addr.arpa", 12).endswith(b"\6vendor\7example\3org\0")
made_up = ask("never-heard-of.example", 1)[-4:]
s = socket.create_connection((socket.inet_ntoa(made_up), 80))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
assert b"404" in s.recv(1000)
"#;
    lab.python(&format!("{RESOLVER}{code}"));
    let evidence = lab.finish();
    let datagrams = evidence.datagrams();
    assert_eq!(datagrams.len(), 10);
    assert_eq!(datagrams[2].0.to.to_string(), "8.8.8.8");
    assert_eq!(evidence.streams()[0].2, "dns");
    for (flow, direction, data) in datagrams {
        let record = evidence.flows.flows.iter().find(|record| record.flow == flow).unwrap();
        let seen = record.datagrams.iter().any(|d| d.direction == direction && d.bytes == data);
        assert!(seen, "{flow:?} is on the link too");
    }
    evidence.assert_bytes_add_up();
}

#[test]
fn other_datagrams_are_swallowed_and_recorded() {
    let Some(lab) = Lab::start("datagrams", "") else { return };
    lab.python(
        r#"
import socket
for family, host in ((socket.AF_INET, "203.0.113.9"), (socket.AF_INET6, "2001:db8::9")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    for port in (123, 443, 9, 60000):
        s.sendto(b"beacon %d" % port, (host, port))
    try:
        s.recv(100)
        raise SystemExit("answered")
    except TimeoutError:
        pass
"#,
    );
    let evidence = lab.finish();
    let ports: Vec<u16> = evidence.datagrams().iter().map(|datagram| datagram.0.to_port).collect();
    assert_eq!(ports, [123, 443, 9, 60000, 123, 443, 9, 60000]);
}

#[test]
fn any_address_answers_an_echo_and_the_link_is_quiet() {
    let Some(lab) = Lab::start("echo", "") else { return };
    let code = r#"
import socket, struct
for family, proto, kind, reply, host in (
    (socket.AF_INET, 1, 8, 0, "198.51.100.250"), (socket.AF_INET, 1, 8, 0, "10.77.0.200"),
    (socket.AF_INET6, 58, 128, 129, "2001:db8::250")):
    s = socket.socket(family, socket.SOCK_RAW, proto)
    s.settimeout(3)
    body = struct.pack(">BBHHH", kind, 0, 0, 1, 1) + b"hidden!!"
    if proto == 1:
        total = sum(struct.unpack(">8H", body))
        total = (total & 0xffff) + (total >> 16)
        body = body[:2] + struct.pack(">H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + body[4:]
    s.sendto(body, (host, 0))
    while True:
        packet = s.recv(200)
        if (packet[20] if proto == 1 else packet[0]) == reply: break
"#;
    lab.python(code);
    let evidence = lab.finish();
    let echoes: Vec<_> =
        evidence.flows.flows.iter().filter(|flow| flow.flow.transport == Transport::Icmp).collect();
    assert_eq!(echoes.len(), 3);
    assert!(echoes.iter().all(|flow| flow.datagrams[0].bytes.ends_with(b"hidden!!")));
    assert!(evidence.flows.errors.is_empty());
    assert!(evidence.flows.link.len() < 20, "{:?}", evidence.flows.link);
}

#[test]
fn without_a_network_everything_fails_at_once_and_is_still_captured() {
    let lab = Lab::start_with("none", VENDOR, |configuration| {
        configuration.network = Network::None;
    });
    let Some(lab) = lab else { return };
    // Refused, and not the 28 of a time that ran out.
    assert_eq!(lab.curl(&["http://192.0.2.10/hello"]).status.code(), Some(7));
    let code = "
for family, server in ((socket.AF_INET, '8.8.8.8'), (socket.AF_INET6, '2001:db8::53')):
    try:
        ask('vendor.example.org', 1, server=server, family=family)
        raise SystemExit('answered')
    except TimeoutError:
        raise SystemExit('nobody refused it')
    except OSError as error:
        print(type(error).__name__)
";
    lab.python(&format!("{RESOLVER}{code}"));
    let evidence = lab.finish();
    assert_eq!(evidence.events, []);
    let asked = |flow: &&watchglass_packets::FlowRecord| flow.flow.to_port == 53;
    assert_eq!(evidence.flows.flows.iter().filter(asked).count(), 2);
}

#[test]
fn the_real_network_needs_rights_of_the_labs_own() {
    let world = World::of_process_in_its_user_namespace(std::process::id()).unwrap();
    let mut configuration = configuration("");
    configuration.network = Network::Real { resolver: ([192, 0, 2, 53], 53).into() };
    let file = || tempfile::tempfile().unwrap();
    let recordings = Recordings { capture: file(), log: file() };
    let program = Path::new(env!("CARGO_BIN_EXE_watchglass-fakenet-process"));
    let started = FakeInternet::start(program, &configuration, &world, recordings);
    assert!(matches!(started.err(), Some(FakenetError::RealNetwork)));
}

#[test]
fn a_hostile_subject_meets_limits_and_others_are_still_served() {
    let lab = Lab::start_with("hostile", VENDOR, |configuration| {
        let limits = &mut configuration.limits;
        (limits.streams, limits.stream_bytes) = (20, 1 << 20);
        (limits.idle_seconds, limits.handshake_seconds) = (2, 1);
    });
    let Some(lab) = lab else { return };
    lab.python(
        r#"
import socket, time
def connect(port=80):
    s = socket.create_connection(("192.0.2.10", port), timeout=10)
    s.settimeout(10)
    return s
slow = []
for _ in range(60):                              # connections that say nothing, too many
    try: slow.append(connect())
    except ConnectionResetError: pass
time.sleep(3.5)                                  # the silent ones are given up
endless = connect()
try:
    endless.sendall(b"GET / HTTP/1.1\r\n")
    while True: endless.sendall(b"X: " + b"y" * 1000 + b"\r\n")
except OSError: pass
flood = connect(4444)
try:
    while True: flood.sendall(b"z" * 65536)      # over the stream's bytes
except OSError: pass
tls = connect(443)
tls.sendall(b"\x16\x03\x01\x40\x00" + b"\xff" * 16384)
tls.recv(100)
drip = connect()
try:
    for byte in b"GET / HTTP/1.1\r\n" * 20:
        drip.sendall(bytes([byte])); time.sleep(0.1)
except OSError: pass
last = connect()
last.sendall(b"GET /hello HTTP/1.1\r\nHost: vendor.example.org\r\nConnection: close\r\n\r\n")
assert b"hello from the vendor" in last.recv(1000)
"#,
    );
    let evidence = lab.finish();
    assert_eq!(evidence.statistics.problems, [""; 0]);
    assert_eq!(evidence.statistics.streams_refused, 40);
    let streams = evidence.streams();
    let refused = streams.iter().filter(|stream| stream.2 == "refused").count();
    assert_eq!(refused, 40);
    let limited = streams.iter().filter(|stream| matches!(stream.3, How::Limit(_))).count();
    assert!(limited >= 61, "{limited}");
    assert!(streams.iter().any(|stream| matches!(stream.3, How::TlsFailed(_))));
    assert!(streams.iter().all(|stream| stream.4.len() + stream.5.len() <= 1 << 20));
}

#[test]
fn a_lab_without_rights_uses_the_world_s_user_namespace() {
    let test = "unprivileged";
    let Some(world) = Namespace::new(&["--user", "--map-root-user", "--net"]) else {
        return skip(test, "no user namespaces here").unwrap_or(());
    };
    let lab = Lab::start_in(world, VENDOR, |_| {}).unwrap().unwrap();
    let hello = lab.curl(&["-H", "Host: vendor.example.org", "http://192.0.2.10/hello"]);
    assert_eq!(printed(&hello), "hello from the vendor\n", "{hello:?}");
    let evidence = lab.finish();
    assert_eq!(evidence.statistics.problems, [""; 0]);
    evidence.assert_bytes_add_up();
}

#[test]
fn nothing_is_left_when_the_lab_is_killed() {
    let Some(mut lab) = Lab::start("killed", VENDOR) else { return };
    let links = |lab: &Lab| printed(&lab.run("ip", &["-o", "link"])).lines().count();
    assert_eq!(links(&lab), 2);
    // Dropping closes the control socket and kills the first stage, as the kernel does for a lab
    // that was killed.
    drop(lab.internet.take());
    let until = Instant::now() + Duration::from_secs(10);
    while links(&lab) != 1 {
        assert!(Instant::now() < until, "the link is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    // And the next one can be joined to the same world.
    let again = Lab::start_in(
        std::mem::replace(&mut lab.world, Namespace::new(&["--net"]).unwrap()),
        VENDOR,
        |_| {},
    );
    assert_eq!(links(&again.unwrap().unwrap()), 2);
}

/// Not a test by itself: the lab that the next test kills.
#[test]
#[ignore = "started by `a_killed_lab_leaves_nothing`"]
fn lab_that_waits() {
    let Some(folder) = std::env::var_os("WATCHGLASS_TEST_FOLDER").map(PathBuf::from) else {
        return;
    };
    let world: u32 = std::env::var("WATCHGLASS_TEST_WORLD").unwrap().parse().unwrap();
    let create = |name: &str| File::create(folder.join(name)).unwrap();
    let recordings = Recordings { capture: create("packets.pcapng"), log: create("gate.log") };
    let program = Path::new(env!("CARGO_BIN_EXE_watchglass-fakenet-process"));
    let world = World::of_process(world).unwrap();
    let _internet =
        FakeInternet::start(program, &configuration(VENDOR), &world, recordings).unwrap();
    create("ready");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_lab_leaves_nothing_but_sealed_recordings() {
    let Some(world) = Namespace::new(&["--net"]) else {
        return skip("kill -9", "no right to make a network namespace").unwrap_or(());
    };
    let folder = tempfile::tempdir().unwrap();
    let mut lab = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lab_that_waits", "--ignored"])
        .env("WATCHGLASS_TEST_FOLDER", folder.path())
        .env("WATCHGLASS_TEST_WORLD", world.holder.id().to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        while !done() {
            assert!(Instant::now() < until, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait("the lab starts", &|| folder.path().join("ready").exists());
    lab.kill().unwrap(); // SIGKILL
    lab.wait().unwrap();
    let links = || printed(&world.run("ip", &["-o", "link"])).lines().count();
    wait("the link goes", &|| links() == 1);
    let gate_log = std::fs::read(folder.path().join("gate.log")).unwrap();
    assert_eq!(log::parse(&gate_log).unwrap().cut, None);
    let capture = std::fs::read(folder.path().join("packets.pcapng")).unwrap();
    assert!(pcapng::parse(&capture).unwrap().totals.is_some());
}

#[test]
fn the_process_that_reads_hostile_bytes_holds_no_capability_and_sees_no_file() {
    let Some(mut lab) = Lab::start("confined", VENDOR) else { return };
    let children = |pid: u32| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).unwrap();
        text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    let inside = lab.internet.as_ref().unwrap().process_id();
    let inside = children(inside)[0];
    let mut threads = 0;
    for thread in std::fs::read_dir(format!("/proc/{inside}/task")).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        assert!(status.contains("CapPrm:\t0000000000000000"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        threads += 1;
    }
    assert!(threads >= 6, "{threads}");
    let root = std::fs::read_dir(format!("/proc/{inside}/root/")).unwrap();
    assert_eq!(root.count(), 0);
    drop(lab.internet.take());
}

#[test]
fn a_large_download_loses_no_packet() {
    let folder = tempfile::tempdir().unwrap();
    let megabytes: usize =
        std::env::var("WATCHGLASS_DOWNLOAD_MB").map_or(20, |text| text.parse().unwrap());
    let mut file = File::create(folder.path().join("large")).unwrap();
    for number in (0..=u8::MAX).cycle().take(megabytes) {
        file.write_all(&vec![number; 1 << 20]).unwrap();
    }
    let scenario = format!("[[hosts]]\nhost = \"large.example\"\nfolder = {:?}\n", folder.path());
    let Some(lab) = Lab::start("download", &scenario) else { return };
    let begun = Instant::now();
    let arguments = ["-H", "Host: large.example", "http://192.0.2.99/large", "-o", "/dev/null"];
    let output = lab.curl(&[&arguments[..], &["-w", "%{size_download}"]].concat());
    let elapsed = begun.elapsed();
    assert_eq!(printed(&output), (megabytes << 20).to_string());
    let evidence = lab.finish();
    assert_eq!((evidence.statistics.frames_lost, evidence.statistics.events_lost), (0, 0));
    evidence.assert_bytes_add_up();
    let frames = evidence.statistics.frames;
    eprintln!("{megabytes} MiB in {elapsed:?}: {frames} frames, none lost");
}

/// What freshclam needs beside the scenario, as a product file would lay it over.
const FRESHCLAM: &str = "
DatabaseOwner root
DNSDatabaseInfo current.cvd.clamav.net
DatabaseMirror database.clamav.net
ExcludeDatabase main
ExcludeDatabase daily
ExcludeDatabase bytecode
TestDatabases yes
";

#[test]
fn freshclam_fetches_a_custom_database_over_https_and_keeps_it_when_unchanged() {
    let test = "freshclam";
    if !Path::new("/usr/bin/freshclam").exists() {
        return skip(test, "no freshclam on this machine").unwrap_or(());
    }
    let served = tempfile::tempdir().unwrap();
    let signature = format!("{}:13:Watchglass.Test\n", "ab".repeat(32));
    std::fs::write(served.path().join("watchglass.hsb"), signature).unwrap();
    let scenario = format!(
        "default = \"nxdomain\"\n[[hosts]]\nhost = \"current.cvd.clamav.net\"\n\
         dns_txt = [\"0.103.12:62:27400:1700000000:1:90:49192:334\"]\n\
         [[hosts]]\nhost = \"database.clamav.net\"\nfolder = {:?}\n",
        served.path()
    );
    let Some(world) = Namespace::new(&["--net", "--mount"]) else {
        return skip(test, "no right to make a network namespace").unwrap_or(());
    };
    let lab = Lab::start_in(world, &scenario, |_| {}).unwrap().unwrap();
    let database = lab.path("database");
    std::fs::create_dir(&database).unwrap();
    std::fs::write(lab.path("resolv.conf"), "nameserver 10.77.0.1\n").unwrap();
    let url = "DatabaseCustomURL https://database.clamav.net/watchglass.hsb";
    let lines = format!("DatabaseDirectory {}\n{url}\n{FRESHCLAM}", database.display());
    std::fs::write(lab.path("freshclam.conf"), lines).unwrap();
    let script = format!(
        "mount --bind {0}/resolv.conf /etc/resolv.conf && CURL_CA_BUNDLE={0}/authority.pem \
         freshclam --stdout --config-file={0}/freshclam.conf",
        lab.folder.path().display()
    );
    let pid = lab.world.holder.id().to_string();
    let update = || {
        let mut command = Command::new("timeout");
        command.args(["40", "nsenter", "-t", &pid, "-m", "-n", "sh", "-c", &script]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", printed(&output));
    };
    update();
    assert!(database.join("watchglass.hsb").exists());
    update();
    let evidence = lab.finish();
    let asked: Vec<String> = evidence
        .datagrams()
        .iter()
        .map(|datagram| {
            let message = watchglass_packets::dns::parse(&datagram.2).unwrap();
            format!("{} {}", message.questions[0].kind, message.questions[0].name.host().unwrap())
        })
        .collect();
    assert_eq!(asked[0], "16 current.cvd.clamav.net", "{asked:?}");
    let streams = evidence.streams();
    let requests: Vec<String> =
        streams.iter().map(|stream| String::from_utf8_lossy(&stream.4).into_owned()).collect();
    let statuses: Vec<String> = streams
        .iter()
        .map(|stream| String::from_utf8_lossy(&stream.5).chars().take(12).collect())
        .collect();
    assert!(requests[0].contains("User-Agent: ClamAV/"), "{requests:?}");
    assert!(streams.iter().all(|stream| stream.1.is_some()), "all of it by TLS");
    assert_eq!(statuses.last().unwrap(), "HTTP/1.1 304");
}
