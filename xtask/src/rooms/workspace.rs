//! The workspace as `cargo metadata` tells it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::place::output;
use crate::trouble::Trouble;

/// The workspace: its crates, and what they depend on.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    metadata: Metadata,
}

/// A crate of the workspace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// What cargo says of it.
    pub(super) package: &'a Package,
    /// Its folder, from the top.
    pub(super) folder: &'a Path,
    /// What its folder says it is.
    pub(super) layer: Layer,
}

/// What the top folder says of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// `crates/pure`: touches nothing.
    Pure,
    /// `crates/edge`: touches one outside thing.
    Edge,
    /// `crates/app`: wiring.
    App,
    /// Beside them: specimens, chores.
    Beside,
}

impl Workspace {
    /// Asks cargo about the workspace at `root`, as it is built for this machine.
    ///
    /// # Errors
    /// When cargo cannot read the manifests.
    pub(crate) fn read(root: &Path) -> Result<Self, Trouble> {
        let mut command = Command::new(cargo());
        command.args(["metadata", "--quiet", "--format-version", "1", "--filter-platform"]);
        let printed = output(command.arg(host()?).current_dir(root))?;
        let metadata: Metadata = serde_json::from_slice(&printed).map_err(|error| {
            Trouble::Content { path: "cargo metadata".into(), says: error.to_string() }
        })?;
        let root = root.canonicalize().map_err(Trouble::file(root))?;
        Ok(Self { root, metadata })
    }

    /// The top folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The crates of the workspace.
    pub(super) fn rooms(&self) -> impl Iterator<Item = Room<'_>> {
        let ours = |package: &&Package| self.metadata.workspace_members.contains(&package.id);
        self.metadata.packages.iter().filter(ours).map(|package| {
            let folder = package.manifest_path.parent().unwrap_or(&self.root);
            let folder = folder.strip_prefix(&self.root).unwrap_or(folder);
            Room { package, folder, layer: Layer::of(folder) }
        })
    }

    /// Every crate, ours and others'.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter()
    }

    /// The crates that depend on one by this name on this machine, tests and build scripts too, with
    /// every feature that some crate of the workspace asks for.
    pub(super) fn users_of(&self, name: &str) -> impl Iterator<Item = &Package> {
        let named = |id: &str| self.packages().find(|package| package.id == id);
        let nodes = self.metadata.resolve.nodes.iter();
        let uses = move |node: &&Node| {
            node.deps.iter().any(|link| named(&link.pkg).is_some_and(|used| used.name == name))
        };
        let users = nodes.filter(uses).map(|node| node.id.as_str());
        users.filter_map(move |id| self.packages().find(|package| package.id == id))
    }

    /// Benchmarks, as package and name.
    pub(crate) fn benchmarks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rooms().flat_map(|room| {
            let benches = room.package.targets.iter().filter(|target| target.is("bench"));
            benches.map(move |bench| (room.package.name.as_str(), bench.name.as_str()))
        })
    }

    /// What `package` links when it is built alone, directly or through others, each with the first
    /// chain that leads to it. Build scripts, macros and tests are not linked.
    ///
    /// `cargo metadata` would not do: it unites the features that every crate of the workspace asks
    /// for, and shows optional crates that nobody builds.
    ///
    /// # Errors
    /// When cargo cannot say.
    pub(super) fn linked(
        &self,
        package: &Package,
    ) -> Result<BTreeMap<String, Vec<String>>, Trouble> {
        let mut tree = Command::new(cargo());
        tree.args(["tree", "--quiet", "--edges", "normal,no-proc-macro", "--prefix", "depth"]);
        tree.args(["--format", "{p}", "--package", &package.name]).current_dir(&self.root);
        Ok(chains(&String::from_utf8_lossy(&output(&mut tree)?)))
    }
}

/// Reads lines such as `2memchr v2.8.3`: the depth in the tree, then the crate.
fn chains(tree: &str) -> BTreeMap<String, Vec<String>> {
    let mut chains = BTreeMap::new();
    let mut chain: Vec<String> = Vec::new();
    for line in tree.lines() {
        let name_at = line.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(line.len());
        let (depth, crate_) = line.split_at(name_at);
        let (Ok(depth), Some(name)) = (depth.parse(), crate_.split(' ').next()) else { continue };
        chain.truncate(depth);
        chain.push(name.to_owned());
        if depth > 0 {
            chains.entry(name.to_owned()).or_insert_with(|| chain[1..].to_vec());
        }
    }
    chains
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

impl Layer {
    fn of(folder: &Path) -> Self {
        let is_under = |top: &str| folder.starts_with(Path::new("crates").join(top));
        if is_under("pure") {
            Self::Pure
        } else if is_under("edge") {
            Self::Edge
        } else if is_under("app") {
            Self::App
        } else {
            Self::Beside
        }
    }
}

/// The target triple of this machine.
///
/// # Errors
/// When rustc does not say.
pub(crate) fn host() -> Result<String, Trouble> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = output(Command::new(rustc).arg("-vV"))?;
    let text = String::from_utf8_lossy(&printed);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let missing = || Trouble::Program { program: "rustc -vV".into(), says: text.to_string() };
    Ok(host.ok_or_else(missing)?.to_owned())
}

/// The part of `cargo metadata` that the rules need (cargo-metadata(1), format version 1).
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) license: Option<String>,
    pub(super) source: Option<String>,
    pub(super) manifest_path: PathBuf,
    /// As written, for every platform and with the optional ones.
    pub(super) dependencies: Vec<Dependency>,
    pub(super) targets: Vec<Target>,
}

/// A dependency as written in a manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
}

/// Something that cargo builds of a crate.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    kind: Vec<String>,
    pub(super) name: String,
    pub(super) src_path: PathBuf,
}

impl Target {
    /// Whether it is a `lib`, `bin`, `bench`, …
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct Link {
    pkg: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_as_the_chain_to_each_crate() {
        let chains = chains("0top v1 (/x)\n1a v1\n2b v1\n3c v1\n1d v1\n2c v1 (*)\n");
        assert_eq!(chains["c"], ["a", "b", "c"]);
        assert_eq!(chains["d"], ["d"]);
        assert!(!chains.contains_key("top"));
    }
}
