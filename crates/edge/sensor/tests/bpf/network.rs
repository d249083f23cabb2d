use std::net::{TcpListener, UdpSocket};

use watchglass_events::{Direction, Peer, Source, What};
use watchglass_sensor::bpf::Options;

use crate::support::{Recorded, World, can_record};

fn peer(address: &str, port: u16) -> Peer {
    Peer::Internet { address: address.parse().unwrap(), port }
}

/// Bytes that went to a peer, by what one source says.
fn sent(recorded: &Recorded, source: Source, to: &Peer) -> u64 {
    let sent = recorded.of(source).filter_map(|what| match what {
        What::Sent { peer: Some(peer), bytes, error: None, .. } if peer == to => Some(*bytes),
        _ => None,
    });
    sent.sum()
}

fn received(recorded: &Recorded, source: Source, from: &Peer) -> u64 {
    let received = recorded.of(source).filter_map(|what| match what {
        What::Received { peer: Some(peer), bytes, .. } if peer == from => Some(*bytes),
        _ => None,
    });
    received.sum()
}

#[test]
fn two_sources_tell_a_connection_and_agree_on_its_bytes() {
    if !can_record("two_sources_tell_a_connection_and_agree_on_its_bytes") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&[1; 700]).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    let world = World::watch(&Options::default());
    world.python(&format!(
        "import os, socket\n\
         s = socket.create_connection(('127.0.0.1', {port}))\n\
         n = 0\n\
         while n < 700: n += len(s.recv(100))\n\
         for i in range(50): s.send(b'x' * 100)\n\
         os.write(s.fileno(), b'y' * 17)\n\
         s.sendmsg([b'a' * 10, b'b' * 10])\n\
         s.close()"
    ));
    assert_eq!(server.join().unwrap(), 5037);
    let recorded = world.finish().whole();
    let to = peer("127.0.0.1", port);
    for source in [Source::Tracepoint, Source::Cgroup] {
        assert_eq!(sent(&recorded, source, &to), 5037, "{source:?}");
        assert_eq!(received(&recorded, source, &to), 700, "{source:?}");
        let connected = recorded.of(source).find_map(|what| match what {
            What::Connected { socket: Some(socket), peer, error: None } if *peer == to => {
                Some(*socket)
            }
            _ => None,
        });
        assert_ne!(connected.unwrap().cookie, 0, "{source:?}");
    }
    let cookies: std::collections::HashSet<u64> = recorded
        .whats()
        .filter_map(|what| match what {
            What::Connected { socket: Some(socket), .. } => Some(socket.cookie),
            What::SocketMade { socket: Some(socket), family: 2, kind: 1, .. } => {
                Some(socket.cookie)
            }
            _ => None,
        })
        .collect();
    assert_eq!(cookies.len(), 1, "the sources name one socket alike");
}

#[test]
fn datagrams_name_their_destination_each() {
    if !can_record("datagrams_name_their_destination_each") {
        return;
    }
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (port, other_port) =
        (sink.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    let world = World::watch(&Options::default());
    world.python(&format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.sendto(b'x' * 30, ('127.0.0.1', {port}))\n\
         s.sendmsg([b'y' * 40], [], 0, ('127.0.0.1', {other_port}))\n\
         m = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
         m.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)\n\
         m.sendto(b'z' * 50, ('::ffff:127.0.0.1', {port}))"
    ));
    let recorded = world.finish().whole();
    for source in [Source::Tracepoint, Source::Cgroup] {
        assert_eq!(sent(&recorded, source, &peer("127.0.0.1", port)), 80, "{source:?}");
        assert_eq!(sent(&recorded, source, &peer("127.0.0.1", other_port)), 40, "{source:?}");
    }
}

#[test]
fn a_fast_open_names_its_destination() {
    if !can_record("a_fast_open_names_its_destination") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::watch(&Options::default());
    world.python(&format!(
        "import socket\n\
         s = socket.socket()\n\
         s.sendto(b'q' * 33, 0x20000000, ('127.0.0.1', {port}))"
    ));
    let recorded = world.finish().whole();
    let to = peer("127.0.0.1", port);
    assert_eq!(sent(&recorded, Source::Tracepoint, &to), 33);
    assert_eq!(sent(&recorded, Source::Cgroup, &to), 33);
}

#[test]
fn servers_tell_where_they_listen_and_whom_they_accept() {
    if !can_record("servers_tell_where_they_listen_and_whom_they_accept") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import socket\n\
         l = socket.socket(socket.AF_INET6)\n\
         l.bind(('::1', 0)); l.listen()\n\
         c = socket.create_connection(l.getsockname()[:2])\n\
         a, who = l.accept()\n\
         open('ports', 'w').write(f'{l.getsockname()[1]} {who[1]}')",
    );
    let ports = std::fs::read_to_string(world.path("ports")).unwrap();
    let (port, from) = ports.split_once(' ').unwrap();
    let (port, from): (u16, u16) = (port.parse().unwrap(), from.parse().unwrap());
    let recorded = world.finish().whole();
    recorded.has("the port the kernel chose", |what| {
        matches!(what, What::Bound { address, error: None, .. } if *address == peer("::1", port))
    });
    recorded.has("who was accepted", |what| {
        matches!(what, What::Accepted { peer: Some(found), .. } if *found == peer("::1", from))
    });
}

#[test]
fn refused_connections_and_strange_families_are_told() {
    if !can_record("refused_connections_and_strange_families_are_told") {
        return;
    }
    let world = World::watch(&Options::default());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.python(&format!(
        "import socket\n\
         try: socket.create_connection(('127.0.0.1', {port}))\n\
         except OSError: pass\n\
         for f, t in ((40, 1), (17, 3), (38, 5), (16, 3)):\n\
         \x20 try: socket.socket(f, t)\n\
         \x20 except OSError: pass"
    ));
    let recorded = world.finish().whole();
    let to = peer("127.0.0.1", port);
    recorded.has(
        "ECONNREFUSED",
        |what| matches!(what, What::Connected { peer, error: Some(111), .. } if *peer == to),
    );
    for wanted in [40, 17, 38, 16] {
        recorded.has(
            "a family",
            |what| matches!(what, What::SocketMade { family, .. } if *family == wanted),
        );
    }
}

#[test]
fn unix_sockets_and_the_descriptors_they_carry_are_told() {
    if !can_record("unix_sockets_and_the_descriptors_they_carry_are_told") {
        return;
    }
    let world = World::watch(&Options::default());
    std::fs::write(world.path("secret"), [5; 123]).unwrap();
    world.python(
        "import os, socket\n\
         l = socket.socket(socket.AF_UNIX); l.bind('server'); l.listen()\n\
         c = socket.socket(socket.AF_UNIX); c.connect('./server')\n\
         a, _ = l.accept()\n\
         f = os.open('secret', 0)\n\
         socket.send_fds(c, [b'hello'], [f, f])\n\
         os.close(f)\n\
         data, fds, _, _ = socket.recv_fds(a, 100, 4)\n\
         os.read(fds[0], 200)\n\
         x, y = socket.socketpair(); x.send(b'12345'); y.recv(9)\n\
         u = socket.socket(socket.AF_UNIX); u.bind('\\0abstract'); u.listen()\n\
         v = socket.socket(socket.AF_UNIX); v.connect('\\0abstract')",
    );
    let server = world.path("server");
    let secret = world.path("secret");
    let recorded = world.finish().whole();
    let at = |wanted: &[u8]| Peer::Unix(watchglass_events::Name::new(wanted));
    recorded.has(
        "bound",
        |what| matches!(what, What::Bound { address, .. } if *address == at(server.as_bytes())),
    );
    recorded.has("connected by its real path", |what| {
        matches!(what, What::Connected { peer, error: None, .. } if *peer == at(server.as_bytes()))
    });
    recorded.has("abstract", |what| {
        matches!(what, What::Connected { peer, error: None, .. } if *peer == at(b"\0abstract"))
    });
    for wanted in [Direction::Sent, Direction::Received] {
        recorded.has("two descriptors", |what| match what {
            What::DescriptorsPassed { direction, count: 2, .. } => *direction == wanted,
            _ => false,
        });
    }
    let file = recorded.opened(&secret)[0];
    assert_eq!(recorded.bytes(file), (123, 0), "read through the passed descriptor");
    let pair = recorded.whats().filter(|what| {
        matches!(what, What::SocketMade { family: 1, socket: Some(socket), .. } if socket.inode != 0)
    });
    assert!(pair.count() >= 6);
}

#[test]
fn many_messages_of_one_call_are_told_each() {
    if !can_record("many_messages_of_one_call_are_told_each") {
        return;
    }
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = sink.local_addr().unwrap().port();
    let world = World::watch(&Options::default());
    world.python(&format!(
        "import ctypes, socket, struct\n\
         l = ctypes.CDLL(None)\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         a = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('>H', {port}) + bytes([127,0,0,1]) + bytes(8))\n\
         b = ctypes.create_string_buffer(b'm' * 20)\n\
         v = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(b), 20))\n\
         m = struct.pack('QIIQQQQIi', ctypes.addressof(a), 16, 0, ctypes.addressof(v), 1, 0, 0, 0, 0)\n\
         h = ctypes.create_string_buffer(m + bytes(64 - len(m)) + m + bytes(64 - len(m)))\n\
         assert l.sendmmsg(s.fileno(), h, 2, 0) == 2"
    ));
    let recorded = world.finish().whole();
    let to = peer("127.0.0.1", port);
    assert_eq!(sent(&recorded, Source::Tracepoint, &to), 40);
    assert_eq!(sent(&recorded, Source::Cgroup, &to), 40);
}
