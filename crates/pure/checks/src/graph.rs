//! The provenance graph, and what in it can be reached from bait.
//!
//! The question is whether any process that may hold bait sent anything to the network, directly or
//! through files, pipes, sockets, descriptors or children. The answer is over-approximated on
//! purpose: an open for reading counts as having read all, a process that once held bait holds it
//! for ever, and whoever has a file open for writing taints it from then on. A path that is found is
//! possible; a path that is not found did not exist in what was recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use watchglass_events::{Event, FileId, FileKind, Name, Peer, Process, SocketId, What};

/// Something that can hold bait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    /// A bait file.
    Bait(Name),
    /// A process.
    Process(Process),
    /// A file by path, as the kernel resolved it.
    Path(Name),
    /// A pipe, memory file or other object without a path.
    Object(FileId),
    /// A Unix socket by its address, or a port of the loopback interface.
    Meeting(Name),
    /// A host on the network, which is where a path ends.
    Host(Name),
}

/// How bait gets from one node to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Where from.
    pub(crate) from: Node,
    /// Where to.
    pub(crate) to: Node,
    /// From when on, in the recorder's clock; bait held later flows too.
    pub(crate) since_ns: u64,
    /// Until when; the end of time unless the source knows better.
    pub(crate) until_ns: u64,
    /// The word for it: `reads`, `writes`, `forks`, `sends to`, ….
    pub(crate) verb: &'static str,
    /// Row of the sensor's log.
    pub(crate) row: u64,
}

/// The graph of one run.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: Vec<Edge>,
    from: HashMap<Node, Vec<usize>>,
}

/// A path, from a bait file to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Its edges, in order.
    pub(crate) edges: Vec<Edge>,
}

/// How a node came to hold bait: when, and over which edge.
#[derive(Clone, Copy, Debug)]
struct Reached {
    at_ns: u64,
    over: Option<usize>,
}

impl Graph {
    /// Makes the graph of a run's events, which are in order of time.
    ///
    /// `is_bait` tells whether a path is a planted file; `is_left_out` leaves out processes of the
    /// lab itself.
    pub(crate) fn of(
        events: &[Event],
        is_bait: impl Fn(&Name) -> bool,
        is_left_out: impl Fn(Process) -> bool,
    ) -> Self {
        let mut builder = Builder {
            graph: Self::default(),
            peers: BTreeMap::new(),
            accepted: BTreeMap::new(),
            bound: BTreeMap::new(),
            families: BTreeMap::new(),
            opened: HashMap::new(),
            parents: HashMap::new(),
            is_bait,
        };
        for event in events {
            let Some(actor) = event.actor else { continue };
            if !is_left_out(actor.process) {
                builder.take(event, actor.process);
            }
        }
        builder.graph
    }

    /// Nodes that bait can have reached, with a shortest path for every host among them.
    ///
    /// Time is respected: bait moves along an edge only while or after the edge's source holds it,
    /// and not after the edge has ended.
    #[must_use]
    pub(crate) fn paths_to_hosts(&self) -> Vec<Path> {
        let reached = self.reach(|node| matches!(node, Node::Bait(_)));
        let hosts: BTreeSet<&Node> =
            reached.keys().filter(|node| matches!(node, Node::Host(_))).collect();
        let mut paths: Vec<Path> =
            hosts.into_iter().map(|host| self.walk_back(host, &reached)).collect();
        paths.sort_by_key(|path| path.edges.len());
        paths
    }

    /// The same graph, to be searched from its ends.
    #[must_use]
    pub(crate) fn backwards(&self) -> Backwards<'_> {
        let mut into: HashMap<&Node, Vec<&Edge>> = HashMap::new();
        for edge in &self.edges {
            into.entry(&edge.to).or_default().push(edge);
        }
        Backwards { into }
    }

    /// A shortest path from one bait file to a host.
    #[must_use]
    pub(crate) fn path_between(&self, file: &Name, host: &Node) -> Option<Path> {
        let reached = self.reach(|node| matches!(node, Node::Bait(path) if path == file));
        reached.contains_key(host).then(|| self.walk_back(host, &reached))
    }

    /// Earliest arrival at every node: a breadth-first search whose queue is ordered by time where
    /// it matters, by running until nothing arrives earlier.
    fn reach(&self, is_start: impl Fn(&Node) -> bool) -> BTreeMap<Node, Reached> {
        let mut reached = BTreeMap::new();
        let mut queue = VecDeque::new();
        for node in self.from.keys().filter(|node| is_start(node)) {
            reached.insert(node.clone(), Reached { at_ns: 0, over: None });
            queue.push_back(node.clone());
        }
        queue.make_contiguous().sort();
        while let Some(node) = queue.pop_front() {
            let Some(now) = reached.get(&node).copied() else { continue };
            for &index in self.from.get(&node).into_iter().flatten() {
                let Some(edge) = self.edges.get(index) else { continue };
                if now.at_ns > edge.until_ns {
                    continue;
                }
                let at_ns = now.at_ns.max(edge.since_ns);
                let earlier = reached.get(&edge.to).is_none_or(|before| at_ns < before.at_ns);
                if earlier {
                    reached.insert(edge.to.clone(), Reached { at_ns, over: Some(index) });
                    queue.push_back(edge.to.clone());
                }
            }
        }
        reached
    }

    fn walk_back(&self, host: &Node, reached: &BTreeMap<Node, Reached>) -> Path {
        let mut edges: Vec<Edge> = Vec::new();
        let mut node = host.clone();
        // Arrival times never grow backwards, but equal ones could form a circle.
        let mut passed = BTreeSet::new();
        while passed.insert(node.clone()) {
            let over = reached.get(&node).and_then(|reached| reached.over);
            let Some(edge) = over.and_then(|index| self.edges.get(index)) else { break };
            node = edge.from.clone();
            edges.push(edge.clone());
        }
        edges.reverse();
        Path { edges }
    }

    fn add(&mut self, edge: Edge) {
        let index = self.edges.len();
        self.from.entry(edge.from.clone()).or_default().push(index);
        self.edges.push(edge);
    }
}

/// A graph by the nodes that its edges lead to.
#[derive(Debug)]
pub(crate) struct Backwards<'a> {
    into: HashMap<&'a Node, Vec<&'a Edge>>,
}

impl Backwards<'_> {
    /// Bait files that can have reached a host.
    #[must_use]
    pub(crate) fn bait_of(&self, host: &Node) -> BTreeSet<Name> {
        // The latest time at which something at a node still gets to the host.
        let mut latest: HashMap<&Node, u64> = HashMap::from([(host, u64::MAX)]);
        let mut queue = VecDeque::from([host]);
        while let Some(node) = queue.pop_front() {
            let Some(&by_ns) = latest.get(node) else { continue };
            for edge in self.into.get(node).into_iter().flatten() {
                let leaves_ns = edge.until_ns.min(by_ns);
                let later = latest.get(&edge.from).is_none_or(|known| leaves_ns > *known);
                if edge.since_ns <= by_ns && later {
                    latest.insert(&edge.from, leaves_ns);
                    queue.push_back(&edge.from);
                }
            }
        }
        let bait = |node: &&Node| match node {
            Node::Bait(path) => Some(path.clone()),
            _ => None,
        };
        latest.keys().filter_map(bait).collect()
    }
}

struct Builder<F> {
    graph: Graph,
    /// Whom a socket was connected to, so that a process that inherits it is known to send there.
    peers: BTreeMap<SocketId, Peer>,
    /// Where an accepted socket was met.
    accepted: BTreeMap<SocketId, Vec<Node>>,
    /// Where a process, or the one that made it, can be met.
    bound: BTreeMap<Process, Vec<Node>>,
    families: BTreeMap<SocketId, u16>,
    /// Under which path a process opened a file: sums of reads and writes come without one, and
    /// numbers of files are used again.
    opened: HashMap<(Process, FileId), Name>,
    /// Who made a process, since it inherits what that one had open.
    parents: HashMap<Process, Process>,
    is_bait: F,
}

impl<F: Fn(&Name) -> bool> Builder<F> {
    fn take(&mut self, event: &Event, process: Process) {
        let me = Node::Process(process);
        match &event.what {
            What::Forked { child, .. } if *child != process => {
                self.parents.insert(*child, process);
                if let Some(bound) = self.bound.get(&process).cloned() {
                    self.bound.insert(*child, bound);
                }
                self.link(event, me, Node::Process(*child), "forks");
            }
            What::Opened { path, file: Some(file), access, error: None, .. } => {
                if access.path_only || file.kind == FileKind::Directory {
                    return;
                }
                self.opened.insert((process, *file), path.clone());
                let node = self.file(Some(path), *file);
                if access.write {
                    self.onwards(event, me.clone(), node.clone(), "writes");
                }
                if access.read {
                    self.onwards(event, node, me, "reads");
                }
            }
            What::Read { file, path, .. } => {
                let path = path.as_ref().or_else(|| self.path_of(process, *file));
                let node = self.file(path, *file);
                self.at_any_time(event, node, me, "reads");
            }
            What::Written { file, path, .. } => {
                let path = path.as_ref().or_else(|| self.path_of(process, *file));
                let node = self.file(path, *file);
                self.at_any_time(event, me, node, "writes");
            }
            What::Mapped { file, path, shared_write, .. } => {
                let node = self.file(path.as_ref(), *file);
                if *shared_write {
                    self.onwards(event, me.clone(), node.clone(), "writes through a mapping to");
                }
                self.onwards(event, node, me, "maps");
            }
            What::PathChanged { path, other: Some(other), error: None, .. } => {
                let (from, to) = (Node::Path(path.clone()), Node::Path(other.clone()));
                self.onwards(event, me.clone(), to.clone(), "names");
                self.onwards(event, from, to, "becomes");
            }
            What::SocketMade { socket: Some(socket), family, .. } => {
                self.families.insert(*socket, *family);
            }
            What::Bound { address, error: None, .. } => self.meet(event, process, address),
            What::Accepted { socket: Some(socket), .. } => {
                let bound = self.bound.get(&process).cloned().unwrap_or_default();
                self.accepted.insert(*socket, bound);
            }
            What::Connected { socket, peer, error: None } => {
                if let Some(socket) = socket {
                    self.peers.insert(*socket, peer.clone());
                }
                self.reach(event, me, peer, "connects to");
            }
            What::Sent { socket, peer, error: None, .. } => {
                let known = socket.and_then(|socket| self.peers.get(&socket)).cloned();
                match peer.clone().or(known) {
                    Some(peer) if !is_unnamed(&peer) => self.reach(event, me, &peer, "sends to"),
                    _ => self.exchange(event, &me, *socket),
                }
            }
            What::Received { socket, .. } => self.exchange(event, &me, *socket),
            What::DescriptorsPassed { socket, .. } => self.exchange(event, &me, *socket),
            _ => {}
        }
    }

    /// The path under which a process, or one that it descends from, opened a file.
    fn path_of(&self, process: Process, file: FileId) -> Option<&Name> {
        let mut lineage = std::iter::successors(Some(process), |at| self.parents.get(at).copied());
        // Births are recorded once each, so a line of them has an end; the bound is for forgeries.
        lineage.by_ref().take(MAX_LINEAGE).find_map(|at| self.opened.get(&(at, file)))
    }

    fn file(&self, path: Option<&Name>, file: FileId) -> Node {
        match path {
            // A process's own folder has one name and is another one for each; the numbers of its
            // files tell them apart.
            Some(path) if path.as_bytes().starts_with(b"/proc/self/") => Node::Object(file),
            Some(path) if (self.is_bait)(path) => Node::Bait(path.clone()),
            Some(path) if matches!(file.kind, FileKind::Regular | FileKind::Other) => {
                Node::Path(path.clone())
            }
            _ => Node::Object(file),
        }
    }

    /// Whoever may be met at an address can hand over both ways, at any time after.
    fn meet(&mut self, event: &Event, process: Process, address: &Peer) {
        let Some(meeting) = meeting(address) else { return };
        let me = Node::Process(process);
        self.bound.entry(process).or_default().push(meeting.clone());
        self.onwards(event, me.clone(), meeting.clone(), "listens on");
        self.onwards(event, meeting, me, "listens on");
    }

    /// Bytes or descriptors go through a socket whose other end has no name of its own: one that was
    /// accepted meets whoever connected; of a socket pair nobody knows the other end, so all such
    /// pairs of a run are taken for one.
    fn exchange(&mut self, event: &Event, me: &Node, socket: Option<SocketId>) {
        let Some(socket) = socket else { return };
        let unnamed = || vec![Node::Meeting(Name::from("unnamed socket pairs"))];
        let meetings = match self.accepted.get(&socket) {
            Some(meetings) => meetings.clone(),
            None if self.families.get(&socket) == Some(&AF_UNIX) => unnamed(),
            None => return,
        };
        for meeting in meetings {
            self.at_any_time(event, me.clone(), meeting.clone(), "hands over at");
            self.at_any_time(event, meeting, me.clone(), "takes over at");
        }
    }

    fn reach(&mut self, event: &Event, me: Node, peer: &Peer, verb: &'static str) {
        if let Some(meeting) = meeting(peer) {
            self.onwards(event, me.clone(), meeting.clone(), verb);
            self.onwards(event, meeting, me, "hears from");
        } else if let Some(host) = host(peer) {
            // What was sent left at that moment: bait that comes later did not go along.
            self.add(event, me, host, event.at_ns, verb);
        }
    }

    fn link(&mut self, event: &Event, from: Node, to: Node, verb: &'static str) {
        self.add(event, from, to, event.at_ns, verb);
    }

    fn onwards(&mut self, event: &Event, from: Node, to: Node, verb: &'static str) {
        self.add(event, from, to, u64::MAX, verb);
    }

    /// Totals of reads and writes are told late, so their time says nothing.
    fn at_any_time(&mut self, event: &Event, from: Node, to: Node, verb: &'static str) {
        let edge = Edge { from, to, since_ns: 0, until_ns: u64::MAX, verb, row: event.seq };
        self.graph.add(edge);
    }

    fn add(&mut self, event: &Event, from: Node, to: Node, until_ns: u64, verb: &'static str) {
        let edge = Edge { from, to, since_ns: event.at_ns, until_ns, verb, row: event.seq };
        self.graph.add(edge);
    }
}

/// Generations that are looked back on.
const MAX_LINEAGE: usize = 64;

fn is_unnamed(peer: &Peer) -> bool {
    matches!(peer, Peer::Unix(name) if name.as_bytes().is_empty())
}

const AF_UNIX: u16 = 1;

fn meeting(peer: &Peer) -> Option<Node> {
    match peer {
        Peer::Unix(name) if !name.as_bytes().is_empty() => Some(Node::Meeting(name.clone())),
        Peer::Internet { address, port } if address.is_loopback() || address.is_unspecified() => {
            Some(Node::Meeting(Name::new(format!("loopback:{port}"))))
        }
        _ => None,
    }
}

fn host(peer: &Peer) -> Option<Node> {
    match peer {
        Peer::Internet { address, port } => {
            Some(Node::Host(Name::new(format!("{address}:{port}"))))
        }
        Peer::Other { family, .. } => Some(Node::Host(Name::new(format!("family {family}")))),
        Peer::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use watchglass_events::{Access, Actor, Source};

    use super::*;

    const READ: Access =
        Access { read: true, write: false, create: false, truncate: false, path_only: false };
    const WRITE: Access =
        Access { read: false, write: true, create: true, truncate: true, path_only: false };

    fn process(pid: u32) -> Process {
        Process { pid, start_ns: 1 }
    }

    fn opened(path: &str, access: Access) -> What {
        let file = FileId { device: 1, inode: 1, generation: 0, kind: FileKind::Regular };
        What::Opened { path: path.into(), claimed: None, file: Some(file), access, error: None }
    }

    fn sent() -> What {
        let peer = Peer::Internet { address: [192, 0, 2, 1].into(), port: 80 };
        What::Sent { socket: None, peer: Some(peer), bytes: 1, calls: 1, error: None }
    }

    fn paths(happened: Vec<(u32, What)>) -> Vec<Path> {
        let events: Vec<Event> = happened
            .into_iter()
            .zip(0_u64..)
            .map(|((pid, what), seq)| {
                let actor = Some(Actor { process: process(pid), thread: pid, uid: 0 });
                Event { seq, at_ns: seq, source: Source::Tracepoint, actor, what }
            })
            .collect();
        let is_bait = |path: &Name| path.as_bytes().starts_with(b"/home/");
        Graph::of(&events, is_bait, |_| false).paths_to_hosts()
    }

    #[test]
    fn sending_after_reading_is_a_path() {
        let found = paths(vec![(1, opened("/home/a", READ)), (1, sent())]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].edges.len(), 2);
    }

    #[test]
    fn sending_before_reading_is_none() {
        assert_eq!(paths(vec![(1, sent()), (1, opened("/home/a", READ))]), []);
    }

    #[test]
    fn a_file_carries_bait_from_one_process_to_the_next() {
        let found = paths(vec![
            (1, opened("/home/a", READ)),
            (1, opened("/var/state", WRITE)),
            (2, opened("/var/state", READ)),
            (2, sent()),
        ]);
        assert_eq!(found[0].edges.len(), 4);
    }

    #[test]
    fn a_file_open_for_writing_is_tainted_by_bait_read_later() {
        let found = paths(vec![
            (1, opened("/var/state", WRITE)),
            (1, opened("/home/a", READ)),
            (2, opened("/var/state", READ)),
            (2, sent()),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_child_inherits_what_its_parent_held_at_its_birth_only() {
        let fork = || What::Forked { child: process(2), thread: 2 };
        let after = vec![(1, opened("/home/a", READ)), (1, fork()), (2, sent())];
        assert_eq!(paths(after).len(), 1);
        let before = vec![(1, fork()), (1, opened("/home/a", READ)), (2, sent())];
        assert_eq!(paths(before), []);
    }

    #[test]
    fn a_unix_socket_is_a_meeting_place() {
        let at = Peer::Unix("/run/s".into());
        let found = paths(vec![
            (2, What::Bound { socket: None, address: at.clone(), error: None }),
            (1, opened("/home/a", READ)),
            (1, What::Connected { socket: None, peer: at, error: None }),
            (2, sent()),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn an_inherited_socket_is_known_by_its_number() {
        let socket = Some(SocketId { inode: 9, cookie: 0 });
        let peer = Peer::Internet { address: [192, 0, 2, 1].into(), port: 80 };
        let found = paths(vec![
            (1, What::Connected { socket, peer, error: None }),
            (1, What::Forked { child: process(2), thread: 2 }),
            (2, opened("/home/a", READ)),
            (2, What::Sent { socket, peer: None, bytes: 4, calls: 1, error: None }),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_file() {
        let file = FileId { device: 1, inode: 1, generation: 0, kind: FileKind::Regular };
        let sum = |what: fn(FileId) -> What| what(file);
        let found = paths(vec![
            (1, opened("/home/a", READ)),
            (1, opened("/tmp/x", WRITE)),
            (1, sum(|file| What::Written { file, path: None, bytes: 1, calls: 1 })),
            (2, opened("/var/log/u", READ)),
            (2, sum(|file| What::Read { file, path: None, bytes: 1, calls: 1 })),
            (2, sent()),
        ]);
        assert_eq!(found, []);
    }

    #[test]
    fn a_renamed_file_still_carries() {
        let operation = watchglass_events::PathOperation::Rename;
        let found = paths(vec![
            (1, opened("/home/a", READ)),
            (1, opened("/tmp/x", WRITE)),
            (
                1,
                What::PathChanged {
                    operation,
                    path: "/tmp/x".into(),
                    other: Some("/var/y".into()),
                    error: None,
                },
            ),
            (2, opened("/var/y", READ)),
            (2, sent()),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn searching_backwards_finds_what_searching_forwards_finds() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let node = |number: u64| match number {
            0..4 => Node::Bait(Name::new(format!("/home/{number}"))),
            4 => Node::Host("192.0.2.1:80".into()),
            _ => Node::Path(Name::new(format!("/{number}"))),
        };
        let host = node(4);
        let mut found = 0;
        for _ in 0..500 {
            let mut graph = Graph::default();
            for row in 0..12 {
                let (from, to) = (node(draw(10)), node(4 + draw(6)));
                let since_ns = draw(20);
                let until_ns = since_ns + draw(20);
                graph.add(Edge { from, to, since_ns, until_ns, verb: "writes", row });
            }
            let forwards: BTreeSet<Name> = (0..4)
                .map(|number| Name::new(format!("/home/{number}")))
                .filter(|file| graph.path_between(file, &host).is_some())
                .collect();
            assert_eq!(graph.backwards().bait_of(&host), forwards);
            found += forwards.len();
        }
        assert!(found > 100, "{found}");
    }
}
