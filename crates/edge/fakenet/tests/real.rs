//! `--network real`, in a namespace of the test's own: its "real network" is one peer in another
//! namespace, under documentation addresses, with no route out.
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use watchglass_events::{Direction, How, Transport, What, log};
use watchglass_fakenet::{
    Addresses, Authority, Configuration, FakeInternet, Host, Limits, Network, Recordings, Scenario,
    World,
};

/// Set where the test runs again, inside of a namespace of its own.
const INSIDE: &str = "WATCHGLASS_TEST_REAL_INSIDE";
const TEST: &str = "what_is_said_is_passed_on_and_recorded";

/// Answers TCP on 443 with what it got, turned round, and names with 192.0.2.10.
const PEER: &str = r#"
import socket, threading
def echo():
    server = socket.create_server(("192.0.2.10", 443))
    print("ready", flush=True)
    while True:
        peer, _ = server.accept()
        data = b""
        while chunk := peer.recv(65536): data += chunk
        peer.sendall(data[::-1]); peer.close()
threading.Thread(target=echo, daemon=True).start()
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); names.bind(("192.0.2.53", 53))
while True:
    query, asker = names.recvfrom(4096)
    answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + bytes([192, 0, 2, 10])
    names.sendto(query[:2] + b"\x81\x80" + query[4:6] + b"\x00\x01" + b"\x00" * 4 + query[12:] + answer, asker)
"#;

/// What the subject does: asks for two names, talks to the peer, and tries what it must not reach.
const SUBJECT: &str = r#"
import socket
def ask(name):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    query = b"\x12\x34\x01\x00\x00\x01" + b"\x00" * 6 + labels + b"\x00\x00\x01\x00\x01"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
    s.sendto(query, ("10.77.0.1", 53))
    return socket.inet_ntoa(s.recv(4096)[-4:])
print("name", ask("real.example.org"))
print("own", ask("token.canary.example") != "192.0.2.10")
s = socket.create_connection(("192.0.2.10", 443), timeout=5)
s.sendall(b"\x16\x03\x01 no clear text"); s.shutdown(socket.SHUT_WR)
data = b""
while chunk := s.recv(100): data += chunk
print("peer", data)
for place in ("127.0.0.1", "10.9.9.9", "169.254.169.254", "192.0.2.1"):
    try:
        s = socket.create_connection((place, 8080), timeout=5); s.settimeout(5)
        s.sendall(b"x"); print(place, s.recv(10))
    except OSError as error: print(place, type(error).__name__)
"#;

struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process in a network namespace of its own, once it has said that it is ready.
fn hold(namespace: &[&str], program: &[&str]) -> Held {
    let mut command = Command::new(namespace[0]);
    command.args(&namespace[1..]).args(program);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    Held(child)
}

fn sh(line: &str) {
    assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
}

#[test]
fn what_is_said_is_passed_on_and_recorded() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/python3").exists() {
        let why = "needs root and python3";
        assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "skipped: {TEST}: {why}");
        eprintln!("skipped: {TEST}: {why}");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]).env(INSIDE, "1");
    assert!(command.status().unwrap().success(), "see above");
}

fn inside() {
    // The lab's network: 192.0.2.1, with the peer behind it and nothing else.
    let peer_namespace =
        hold(&["unshare", "--net", "--"], &["sh", "-c", "echo ready; exec sleep 100"]);
    let pid = peer_namespace.0.id();
    sh(&format!(
        "ip link set lo up && ip link add up0 type veth peer name far0 netns {pid} && \
         ip addr add 192.0.2.1/24 dev up0 && ip link set up0 up && \
         nsenter -t {pid} -n sh -c 'ip addr add 192.0.2.10/24 dev far0 && \
         ip addr add 192.0.2.53/24 dev far0 && ip link set far0 up'"
    ));
    let _listener = hold(
        &["python3", "-c"],
        &[
            "import socket, time\nsockets = [socket.create_server((a, 8080)) for a in ('127.0.0.1', '192.0.2.1')]\nprint('ready', flush=True)\ntime.sleep(100)",
        ],
    );
    let pid = pid.to_string();
    let _peer = hold(&["nsenter", "-t", &pid, "-n"], &["python3", "-c", PEER]);
    let subject = hold(&["unshare", "--net", "--"], &["sh", "-c", "echo ready; exec sleep 100"]);
    let (said, events) = talk(&subject);
    assert!(said.contains("name 192.0.2.10"), "{said}");
    assert!(said.contains("own True"), "{said}");
    assert!(said.contains(r"peer b'txet raelc on \x01\x03\x16'"), "{said}");
    for place in ["127.0.0.1", "10.9.9.9", "169.254.169.254", "192.0.2.1"] {
        assert!(!said.contains(&format!("{place} b")), "{said}");
    }
    hold_the_record(&events);
}

/// Lets the subject talk through the gate; what it said, and what was recorded.
fn talk(subject: &Held) -> (String, Vec<What>) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host { host: "*.canary.example".to_owned(), ..Host::default() };
    let configuration = Configuration {
        network: Network::Real { resolver: ([192, 0, 2, 53], 53).into() },
        scenario: Scenario { hosts: vec![host], ..Scenario::default() },
        authority: Authority::generate(1_700_000_000).unwrap(),
        addresses: Addresses::default(),
        limits: Limits { idle_seconds: 5, ..Limits::default() },
        clock_offset_seconds: 0,
    };
    let create = |name: &str| File::create(folder.path().join(name)).unwrap();
    let recordings = Recordings { capture: create("packets"), log: create("gate.log") };
    let world = World::of_process(subject.0.id()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_watchglass-fakenet-process"));
    let internet = FakeInternet::start(program, &configuration, &world, recordings).unwrap();
    let output = Command::new("timeout")
        .args(["60", "nsenter", "-t", &subject.0.id().to_string(), "-n", "python3", "-c", SUBJECT])
        .output()
        .unwrap();
    let statistics = internet.finish().unwrap();
    assert_eq!((statistics.problems, statistics.events_lost), (Vec::new(), 0));
    let log = log::parse(&std::fs::read(folder.path().join("gate.log")).unwrap()).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
    (said, log.events.into_iter().map(|event| event.what).collect())
}

fn hold_the_record(events: &[What]) {
    let mut bytes: BTreeMap<(u64, bool), Vec<u8>> = BTreeMap::new();
    let (mut peers, mut refused, mut datagrams) = (Vec::new(), 0, Vec::new());
    for what in events {
        match what {
            What::StreamOpened { stream, flow, tls, service } => {
                assert!(tls.is_none(), "TLS is not opened");
                assert_eq!(service, "passed on");
                peers.push((*stream, flow.to.to_string()));
            }
            What::StreamData { stream, direction, data } => {
                let sent = *direction == Direction::Sent;
                bytes.entry((*stream, sent)).or_default().extend(data.as_bytes());
            }
            What::StreamClosed { how: How::Limit(why), .. } if why.starts_with("not passed on") => {
                refused += 1;
            }
            What::Datagram { flow, direction, .. } => {
                assert_eq!((flow.transport, flow.to_port), (Transport::Udp, 53));
                datagrams.push(*direction);
            }
            _ => {}
        }
    }
    let (stream, _) = peers.iter().find(|(_, to)| to == "192.0.2.10").unwrap();
    assert_eq!(bytes[&(*stream, true)], b"\x16\x03\x01 no clear text");
    assert_eq!(bytes[&(*stream, false)], b"txet raelc on \x01\x03\x16");
    // 127.0.0.1 is the subject's own and never comes here; the other three are refused.
    assert_eq!(refused, 3, "{peers:?}");
    use Direction::{Received, Sent};
    assert_eq!(datagrams, [Sent, Received, Sent, Received]);
}
