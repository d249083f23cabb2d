//! From paths and flows to claims.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, ObservedContact, ObservedField};
use crate::fill::{LOADER, TEMPORARY, TRUST};
use crate::glob::{MAX_GLOB_BYTES, PathClaims, escape_glob};
use crate::product::Host;
use crate::read::MAX_ENTRIES;

/// Which claim the paths are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// `reads`: may use `{loader}` and `{trust}`.
    Read,
    /// `writes`.
    Write,
    /// `executes`: programs are named one by one as long as there is room.
    Execute,
}

/// A glob and how many of the paths it covers.
#[derive(Debug)]
pub(super) struct PathClaim {
    pub(super) glob: String,
    pub(super) seen: usize,
}

/// Claims that cover all paths which can be claimed, few enough for one list.
pub(super) fn claim_paths(
    paths: &BTreeSet<Vec<u8>>,
    kind: PathKind,
    observed: &Observed,
) -> Vec<PathClaim> {
    let mut claims: BTreeMap<String, usize> = BTreeMap::new();
    let mut other: BTreeSet<&[u8]> = BTreeSet::new();
    let known = KnownPlaces::new(kind, observed);
    for path in paths.iter().filter(|path| is_canonical(path)) {
        match known.claim_for(path) {
            Some(claim) => add(&mut claims, claim),
            None => {
                other.insert(path);
            }
        }
    }
    for (glob, seen) in folded(&other, kind, MAX_ENTRIES.saturating_sub(claims.len())) {
        let count = claims.entry(glob).or_default();
        *count = count.saturating_add(seen);
    }
    claims.into_iter().map(|(glob, seen)| PathClaim { glob, seen }).collect()
}

/// Contacts that a product file can name, each once, and the others.
pub(super) fn usable_contacts(
    contacts: &[ObservedContact],
) -> (Vec<ObservedContact>, Vec<&ObservedContact>) {
    let mut usable: Vec<ObservedContact> = Vec::new();
    let mut other = Vec::new();
    for contact in contacts {
        let host =
            Host::parse(&contact.host.to_ascii_lowercase()).filter(|host| !host.is_wildcard());
        let Some(host) = host.filter(|_| contact.port != 0 && usable.len() < MAX_ENTRIES) else {
            other.push(contact);
            continue;
        };
        let host = host.to_string();
        let known = usable.iter_mut().find(|known| {
            (&known.host, known.port, known.udp) == (&host, contact.port, contact.udp)
        });
        match known {
            Some(known) => {
                known.fields.extend(contact.fields.iter().cloned());
                known.messages = known.messages.saturating_add(contact.messages);
            }
            None => usable.push(ObservedContact { host, ..contact.clone() }),
        }
    }
    (usable, other)
}

/// What was sent to each host: its fields, each once with its worst, and the number of messages.
pub(super) fn messages_of(contacts: &[ObservedContact]) -> Vec<(String, Vec<ObservedField>, u32)> {
    let mut hosts: BTreeMap<&str, (BTreeMap<String, ObservedField>, u32)> = BTreeMap::new();
    for contact in contacts {
        let (fields, messages) = hosts.entry(&contact.host).or_default();
        *messages = messages.saturating_add(contact.messages);
        for field in &contact.fields {
            merge_field(fields, field);
        }
    }
    let of_host = |(host, (fields, messages)): (&str, (BTreeMap<_, ObservedField>, u32))| {
        (host.to_owned(), fields.into_values().take(MAX_ENTRIES).collect(), messages)
    };
    hosts.into_iter().map(of_host).collect()
}

/// Field names are compared as the file will have them: on one line, in any case.
fn merge_field(fields: &mut BTreeMap<String, ObservedField>, field: &ObservedField) {
    let name = super::one_line(&field.name);
    let known = fields
        .entry(name.to_ascii_lowercase())
        .or_insert_with(|| ObservedField { name, ..field.clone() });
    known.max_bytes = known.max_bytes.max(field.max_bytes);
    known.values = known.values.max(field.values);
}

/// Folders that have a placeholder.
struct KnownPlaces {
    folders: Vec<(Vec<u8>, &'static str)>,
    loader: PathClaims,
    trust: PathClaims,
}

impl KnownPlaces {
    fn new(kind: PathKind, observed: &Observed) -> Self {
        let mut folders =
            vec![(observed.bait.clone(), "{bait}/**"), (observed.samples.clone(), "{samples}/**")];
        folders.extend(TEMPORARY.iter().map(|folder| (folder.as_bytes().to_vec(), "{tmp}/**")));
        folders.retain(|(folder, _)| is_canonical(folder) && folder.len() > 1);
        let (loader, trust) = match kind {
            PathKind::Read => (LOADER, TRUST),
            PathKind::Write | PathKind::Execute => (&[][..], &[][..]),
        };
        let claims = |globs: &[&str]| PathClaims::parse(globs).unwrap_or_default();
        Self { folders, loader: claims(loader), trust: claims(trust) }
    }

    fn claim_for(&self, path: &[u8]) -> Option<String> {
        let folder = self.folders.iter().find(|(folder, _)| is_below(path, folder));
        let placeholder = folder.map(|(_, placeholder)| *placeholder);
        let placeholder = placeholder
            .or_else(|| self.loader.matches(path).then_some("{loader}"))
            .or_else(|| self.trust.matches(path).then_some("{trust}"));
        placeholder.map(str::to_owned)
    }
}

/// Folds paths into their folders: first folders of many paths, then, as long as there are more
/// claims than room, all paths of the deepest level into their parents.
fn folded(paths: &BTreeSet<&[u8]>, kind: PathKind, room: usize) -> BTreeMap<String, usize> {
    let mut nodes: Nodes = BTreeMap::new();
    for path in paths {
        insert(&mut nodes, without_numbers(path), Node { covers: Covers::Itself, seen: 1 });
    }
    if kind != PathKind::Execute {
        nodes = fold_crowded_folders(nodes);
    }
    while nodes.len() > room.max(1) {
        nodes = fold_deepest_level(nodes);
    }
    nodes = drop_covered(nodes);
    let as_claim = |(path, node): (Vec<u8>, Node)| (node.glob(&path), node.seen);
    nodes.into_iter().map(as_claim).filter(|(glob, _)| glob.len() <= MAX_GLOB_BYTES).collect()
}

/// Paths and folders that become a claim each.
type Nodes = BTreeMap<Vec<u8>, Node>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Covers {
    Itself,
    AllBelow,
}

struct Node {
    covers: Covers,
    seen: usize,
}

impl Node {
    fn glob(&self, path: &[u8]) -> String {
        let path = match path.strip_prefix(ANY_PROCESS) {
            Some(rest) => format!("/proc/*{}", escape_glob(rest)),
            None => escape_glob(path),
        };
        match self.covers {
            Covers::Itself => path,
            Covers::AllBelow if path == "/" => "/**".to_owned(),
            Covers::AllBelow => format!("{path}/**"),
        }
    }
}

fn insert(nodes: &mut Nodes, path: Vec<u8>, node: Node) {
    let known = nodes.entry(path).or_insert(Node { covers: node.covers, seen: 0 });
    known.covers = known.covers.max(node.covers);
    known.seen = known.seen.saturating_add(node.seen);
}

fn fold_crowded_folders(nodes: Nodes) -> Nodes {
    let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for path in nodes.keys() {
        let count = counts.entry(parent(path).to_vec()).or_default();
        *count = count.saturating_add(1);
    }
    counts.retain(|folder, count| *count >= CROWDED && depth(folder) >= SHALLOWEST_FOLDED);
    let mut folded = Nodes::new();
    for (path, node) in nodes {
        match outermost_folder(&path, |folder| counts.contains_key(folder)).map(<[u8]>::to_vec) {
            Some(folder) => insert(&mut folded, folder, Node { covers: Covers::AllBelow, ..node }),
            None => insert(&mut folded, path, node),
        }
    }
    folded
}

/// Folds all paths of the deepest level. Each call makes the tree less deep, so few are needed.
fn fold_deepest_level(nodes: Nodes) -> Nodes {
    let deepest = nodes.keys().map(|path| depth(path)).max().unwrap_or(0);
    let mut folded = Nodes::new();
    for (path, node) in nodes {
        if depth(&path) == deepest {
            let folder = parent(&path).to_vec();
            insert(&mut folded, folder, Node { covers: Covers::AllBelow, ..node });
        } else {
            insert(&mut folded, path, node);
        }
    }
    folded
}

/// A path below a folder that is claimed whole needs no claim of its own.
fn drop_covered(nodes: Nodes) -> Nodes {
    let whole: BTreeSet<Vec<u8>> = nodes
        .iter()
        .filter(|(_, node)| node.covers == Covers::AllBelow)
        .map(|(path, _)| path.clone())
        .collect();
    let mut kept = Nodes::new();
    for (path, node) in nodes {
        let path = outermost_folder(&path, |folder| whole.contains(folder))
            .map_or_else(|| path.clone(), <[u8]>::to_vec);
        insert(&mut kept, path, node);
    }
    kept
}

/// The outermost of the path itself and the folders it lies in that is wanted.
fn outermost_folder(path: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let mut outermost = None;
    let mut folder = path;
    loop {
        if is_wanted(folder) {
            outermost = Some(folder);
        }
        if folder.len() <= 1 {
            return outermost;
        }
        folder = parent(folder);
    }
}

/// `/proc/1234/…` for any number: process numbers say nothing the next time.
fn without_numbers(path: &[u8]) -> Vec<u8> {
    let Some(rest) = path.strip_prefix(b"/proc/") else { return path.to_vec() };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.split_at_checked(digits) {
        Some((number, tail))
            if !number.is_empty() && (tail.is_empty() || tail.starts_with(b"/")) =>
        {
            [ANY_PROCESS, tail].concat()
        }
        _ => path.to_vec(),
    }
}

fn add(claims: &mut BTreeMap<String, usize>, glob: String) {
    let count = claims.entry(glob).or_default();
    *count = count.saturating_add(1);
}

fn is_below(path: &[u8], folder: &[u8]) -> bool {
    if folder == b"/" {
        return true;
    }
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..end.max(1)).unwrap_or(b"/")
}

fn depth(path: &[u8]) -> usize {
    if path == b"/" { 0 } else { path.iter().filter(|byte| **byte == b'/').count() }
}

fn is_canonical(path: &[u8]) -> bool {
    let Some(names) = path.strip_prefix(b"/") else { return false };
    let fitting = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    names.is_empty() || names.split(|byte| *byte == b'/').all(fitting)
}

/// A name that stands for a process number until the glob is written. It is no name that a real
/// path in `/proc` has.
const ANY_PROCESS: &[u8] = b"/proc/<process>";

/// So many paths in one folder make the folder the claim.
const CROWDED: usize = 8;

/// `/etc`, `/usr/lib` and the like are never claimed whole for being crowded: whoever means them
/// says so.
const SHALLOWEST_FOLDED: usize = 3;
