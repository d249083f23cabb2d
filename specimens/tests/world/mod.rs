//! A world for one test process: a link that leads nowhere, and somebody who answers on it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use watchglass_claims::{Phase, Product, Ready, Values};
use watchglass_specimens::{Course, Parameters, Side, Specimen, product_file};

use super::common::{Scratch, database, eicar, wait_for};
use super::{Run, contains, skip, taken};

/// The address of every host but the resolver.
const SINK: &str = "198.51.100.7";
/// The resolver's.
const RESOLVER: &str = "198.51.100.53";

/// Starts this test again in namespaces of its own, and takes over its outcome.
pub(crate) fn live_again(test: &str, mark: &str) {
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let possible = Command::new("unshare").args(namespaces).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip(test, "no network namespace can be made here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(namespaces).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(mark, "1");
    assert!(command.status().unwrap().success(), "see above");
}

/// Runs a line of a shell that must succeed.
pub(crate) fn run(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(status.success(), "{line}");
}

/// The library that hastens a clock.
pub(crate) fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let candidates = folders.map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    candidates.into_iter().find(|path| path.exists())
}

/// What arrived at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    streams: Vec<(u16, Vec<u8>)>,
    /// UDP payloads at the collector's port.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Names that were asked for.
    pub(crate) names: Vec<String>,
}

impl Received {
    pub(crate) fn streams(&self, port: u16) -> impl Iterator<Item = &[u8]> {
        self.streams.iter().filter(move |(at, _)| *at == port).map(|(_, bytes)| bytes.as_slice())
    }

    /// What came to the collector, without the head of a request.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.streams.iter().filter(|(port, _)| *port != 80).map(|(_, bytes)| {
            let head = bytes.starts_with(b"POST ").then(|| {
                bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4)
            });
            &bytes[head.unwrap_or(0)..]
        })
    }

    /// Whether nothing but updates was asked for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.bodies().next().is_none() && self.datagrams.is_empty()
    }
}

type Log = Arc<Mutex<Received>>;

/// The namespaces of this process, furnished.
#[derive(Debug)]
pub(crate) struct World {
    log: Log,
}

impl World {
    /// Makes the link and answers on it: names, and updates.
    pub(crate) fn build() -> Self {
        make_link();
        let log = Log::default();
        let names = UdpSocket::bind((RESOLVER, 53)).unwrap();
        let log_of_names = Arc::clone(&log);
        std::thread::spawn(move || answer_names(&names, &log_of_names));
        let world = Self { log };
        world.listen(80);
        world
    }

    /// Becomes the world of these parameters: its mark, and a collector that takes everything.
    pub(crate) fn become_that_of(&self, parameters: &Parameters) {
        std::fs::write("/etc/watchglass-world", format!("{}\n", parameters.token)).unwrap();
        self.listen(parameters.port);
        let datagrams = UdpSocket::bind((SINK, parameters.port)).unwrap();
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || collect(&datagrams, &log));
    }

    fn listen(&self, port: u16) {
        let listener = TcpListener::bind((SINK, port)).unwrap();
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|peer| serve(peer, &log))
        });
    }

    /// Drives one side of a specimen through the phases of its product file.
    pub(crate) fn drive(
        &self,
        specimen: &'static Specimen,
        side: Side,
        parameters: &Parameters,
    ) -> Run {
        let text = product_file(specimen, side, parameters, "/binaries");
        let product = Product::parse(&text).unwrap();
        let scratch = Scratch::with("");
        let bait = furnish(&scratch, parameters);
        let home = scratch.home().display().to_string();
        let samples = format!("{home}/samples");
        let values = Values {
            bait: home,
            samples,
            product: "/product".to_owned(),
            specimens: "/specimens".to_owned(),
        };
        let product = product.fill(&values).unwrap();
        scratch.configure(&product.configuration[0].content);
        std::fs::remove_file(scratch.database()).unwrap();
        *lock(&self.log) = Received::default();
        let document = taken(specimen, parameters, &bait);
        let mut run = Run {
            document,
            printed: String::new(),
            went_as_expected: true,
            received: Received::default(),
        };
        for phase in &product.phases {
            self.live_through(phase, specimen, &scratch, &mut run);
        }
        // A datagram is on its way when the program has ended.
        std::thread::sleep(Duration::from_millis(50));
        run.received = lock(&self.log).clone();
        run
    }

    fn live_through(&self, phase: &Phase, specimen: &Specimen, scratch: &Scratch, run: &mut Run) {
        let mut command = command(&phase.run.0, scratch);
        let Some(ready) = &phase.ready else {
            return settle(phase, &command.output().unwrap(), run);
        };
        if let Some(library) = faketime().filter(|_| phase.lasts.is_some()) {
            // 72 hours in six seconds.
            command.env("LD_PRELOAD", library).env("FAKETIME", "+0 x43200");
        }
        let service = Service(command.spawn().unwrap());
        let Ready::Unix(socket) = ready else { panic!("a socket is what specimens have") };
        let socket = scratch.sockets().join(socket.rsplit('/').next().unwrap());
        assert!(wait_for(|| socket.exists()), "{}: {} is not ready", specimen.name, phase.name);
        for drive in &phase.drive {
            settle(phase, &self::command(&drive.0, scratch).output().unwrap(), run);
        }
        if phase.lasts.is_some() && specimen.course == Course::Idle && faketime().is_some() {
            std::thread::sleep(Duration::from_secs(6));
        }
        drop(service);
    }
}

/// A service that ends with its phase, also when the test fails.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(argv: &[String], scratch: &Scratch) -> Command {
    let mut command = scratch.command(&argv[0]);
    command.args(&argv[1..]);
    command
}

fn settle(phase: &Phase, output: &Output, run: &mut Run) {
    run.printed += &String::from_utf8_lossy(&output.stdout);
    run.printed += &String::from_utf8_lossy(&output.stderr);
    run.went_as_expected &=
        output.status.code().is_some_and(|code| phase.expect_exit.contains(&code));
}

/// A home of a few documents, a key, and a sample. Two texts carry the marking.
fn furnish(scratch: &Scratch, parameters: &Parameters) -> Vec<PathBuf> {
    let marked = format!("{}\nplans of the year {}", parameters.marking, "pelund ".repeat(400));
    let files: [(&str, Vec<u8>); 7] = [
        ("documents/plan.txt", marked.clone().into_bytes()),
        ("documents/copy.md", marked.into_bytes()),
        ("documents/notes.txt", "short notes".into()),
        ("documents/letter.pdf", (0..=255).cycle().take(90_000).collect()),
        ("documents/table.csv", "a,b\n1,2\n".repeat(300).into_bytes()),
        (".ssh/id_ed25519", "a key".into()),
        ("samples/eicar.com", eicar().into_bytes()),
    ];
    let mut paths = Vec::new();
    for (path, content) in files {
        let path = scratch.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // What is taken is cut at 64 KiB, so nothing here may be longer.
        std::fs::write(&path, &content[..content.len().min(65_536)]).unwrap();
        paths.push(path);
    }
    paths
}

fn make_link() {
    run("mount --make-rprivate / && mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work");
    run("mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc");
    run("mount -t sysfs none /sys");
    std::fs::write("/etc/resolv.conf", format!("nameserver {RESOLVER}\n")).unwrap();
    std::fs::write("/etc/hosts", "127.0.0.1 localhost\n").unwrap();
    run("ip link set lo up && ip link add eth0 type veth peer name gate0");
    run("ip address add 10.77.0.2/24 dev eth0 && ip link set eth0 up && ip link set gate0 up");
    run(&format!("ip address add {SINK}/32 dev lo && ip address add {RESOLVER}/32 dev lo"));
    run("echo 1 > /proc/sys/net/ipv4/tcp_fastopen");
}

fn serve(mut peer: TcpStream, log: &Log) {
    let port = peer.local_addr().unwrap().port();
    peer.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    // Until the peer has said all, or has been silent for a while; an update ends with its head.
    while let Ok(count @ 1..) = peer.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        if port == 80 && contains(&bytes, b"\r\n\r\n") {
            break;
        }
    }
    lock(log).streams.push((port, bytes));
    let body = database();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = peer.write_all(head.as_bytes()).and_then(|()| peer.write_all(body.as_bytes()));
}

fn collect(socket: &UdpSocket, log: &Log) {
    let mut buffer = [0; 65_536];
    while let Ok((count, _)) = socket.recv_from(&mut buffer) {
        lock(log).datagrams.push(buffer[..count].to_vec());
    }
}

/// Answers every question for an IPv4 address with the sink's, any other with nothing (RFC 1035 §4).
fn answer_names(socket: &UdpSocket, log: &Log) {
    let mut buffer = [0; 512];
    while let Ok((count, peer)) = socket.recv_from(&mut buffer) {
        let question = &buffer[..count];
        let (name, end) = read_name(question);
        lock(log).names.push(name);
        let is_address = question[end..end + 2] == [0, 1];
        let mut answer = question[..end + 4].to_vec();
        // A response to a recursive question, with one answer or none, and nothing else.
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
        if is_address {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]);
        }
        socket.send_to(&answer, peer).unwrap();
    }
}

fn read_name(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    (labels.join("."), at + 1)
}

fn lock(log: &Log) -> MutexGuard<'_, Received> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
