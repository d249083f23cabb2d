//! The product file after it was read: every default filled in, every value checked.

use std::collections::BTreeMap;
use std::time::Duration;

/// A product file.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// `[product]`: what it is.
    pub product: Identity,
    /// `[install]`: how it gets into the world.
    pub install: Install,
    /// `[[configuration]]`: files laid over the installed ones, as the customer would configure it.
    pub configuration: Vec<LaidFile>,
    /// `[privileges]`: what the product needs beyond an unprivileged user namespace.
    pub privileges: Privileges,
    /// `[[phase]]`, in order. Names are unique.
    pub phases: Vec<Phase>,
    /// `[domain.NAME]`: sets of programs that share one duty.
    pub domains: BTreeMap<String, Domain>,
}

/// `[product]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the product.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// ISO 3166-1 alpha-2 code of the country whose law can compel the vendor.
    pub jurisdiction: String,
}

/// `[install]`: exactly one of `debian` and `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    /// `debian = ["clamav", …]`: a root made of these packages and what they depend on.
    Debian {
        /// Package names.
        packages: Vec<String>,
        /// Files put into the root before the first phase.
        files: Vec<InstalledFile>,
    },
    /// `host = true`: the host's own root, read through an overlay, with the owner's folders hidden.
    Host {
        /// Files put into the world before the first phase.
        files: Vec<InstalledFile>,
    },
}

/// `[[install.file]]`: a file copied into the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledFile {
    /// Path on the machine of the lab; `{product}` is the folder of the product file,
    /// `{specimens}` that of the lab's own programs.
    pub from: String,
    /// Absolute path in the world.
    pub to: String,
    /// Permission bits; `0o644` unless said.
    pub mode: u32,
}

/// `[[configuration]]`: a file whose content the customer chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaidFile {
    /// Absolute path in the world.
    pub path: String,
    /// The content. Placeholders are filled in.
    pub content: String,
    /// Whether `content` is put after what the file holds instead of in its place.
    pub append: bool,
}

/// `[privileges]`: each is said again in the verdict, since it weakens the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Capabilities in the world's user namespace beyond the default set, as `CAP_…`.
    pub capabilities: Vec<String>,
    /// Socket families beyond unix, inet, inet6 and route netlink, as `AF_…`.
    pub families: Vec<String>,
    /// Whether `io_uring` is allowed.
    pub io_uring: bool,
}

/// `[[phase]]`: something the product is made to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Unique name, lower case.
    pub name: String,
    /// The domain whose programs run.
    pub domain: String,
    /// `setup`: commands before `run`, each to its end; a failure ends the phase.
    pub setup: Vec<Command>,
    /// `run`: the command of the phase.
    pub run: Command,
    /// `ready`: `run` is a service, and this tells when it is ready. `None`: it runs to its end.
    pub ready: Option<Ready>,
    /// `drive`: commands given to a service once it is ready, each to its end.
    pub drive: Vec<Command>,
    /// `user`: name or number of the user in the world; `root` unless said.
    pub user: String,
    /// `environment`: variables beyond `PATH`, `HOME`, `LANG=C.UTF-8`.
    pub environment: BTreeMap<String, String>,
    /// `stop`: the signal that ends a service; `SIGTERM` unless said.
    pub stop: Signal,
    /// `timeout`: after this the phase is killed; 5 minutes unless said.
    pub timeout: Duration,
    /// `expect_exit`: codes that are no failure; `[0]` unless said.
    pub expect_exit: Vec<i32>,
    /// `for`: an idle phase, and how long it is to last in the product's own time.
    pub lasts: Option<Duration>,
}

/// A program and its arguments; placeholders are not yet filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

/// `ready`: how a service tells that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// `{ unix = "/run/…" }`: it listens on this Unix socket.
    Unix(String),
    /// `{ tcp = 3310 }`: it listens on this port of 127.0.0.1.
    Tcp(u16),
    /// `{ file = "/run/…" }`: this file exists.
    File(String),
    /// `{ seconds = 5 }`: it is given this time.
    Seconds(u64),
}

/// A signal that may end a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`.
    Terminate,
    /// `SIGINT`.
    Interrupt,
    /// `SIGQUIT`.
    Quit,
    /// `SIGHUP`.
    Hangup,
    /// `SIGKILL`.
    Kill,
}

/// `[domain.NAME]`: the claims of a set of programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domain {
    /// Programs by base name or absolute path in the world.
    pub programs: Vec<String>,
    /// Globs of paths that it may open for reading.
    pub reads: Vec<String>,
    /// Globs of paths that it may write, create, rename or remove.
    pub writes: Vec<String>,
    /// Globs of programs that it may run beyond `programs`.
    pub executes: Vec<String>,
    /// Addresses it may listen on: `unix:/PATH`, `tcp:ADDRESS:PORT`, `udp:ADDRESS:PORT`.
    pub listens: Vec<String>,
    /// Whom it may reach.
    pub contacts: Vec<Contact>,
    /// What it may send them.
    pub sends: Vec<Sends>,
}

impl Domain {
    /// Whether the domain may reach anyone.
    #[must_use]
    pub fn has_network(&self) -> bool {
        !self.contacts.is_empty()
    }
}

/// A host that a domain may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Host name or address.
    pub host: Host,
    /// Port.
    pub port: u16,
    /// `tcp` unless said.
    pub udp: bool,
    /// Why, in a few words.
    pub purpose: String,
}

/// A host as a claim names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// Exactly this name or address, lower case.
    Exact(String),
    /// `*.example.org`: any name below this one. A vacuous claim: it caps the grade at 1.
    Below(String),
    /// `*`: anyone. A vacuous claim: it caps the grade at 1.
    Any,
}

/// What a domain may send to a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Sends {
    /// The contact's host.
    pub to: Host,
    /// The fields, each with its class and size.
    pub fields: Vec<Field>,
    /// Messages for each day; `None` is unbounded, which caps the grade at 1.
    pub per_day: Option<u32>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Header name, `path`, `query:NAME`, `body`, or another name the sender uses.
    pub name: String,
    /// What it may depend on.
    pub class: FieldClass,
    /// Longest value in bytes.
    pub max_bytes: u64,
}

/// What a field's value may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldClass {
    /// `constant`: the same for every installation of this version.
    Constant,
    /// `clock`: on the time alone.
    Clock,
    /// `counter`: on how often it was sent.
    Counter,
    /// `echo`: on what the server sent before.
    Echo,
    /// `id(scope, rotation)`: a pseudonym.
    Id(Scope, Rotation),
    /// `f(content: FUNCTION when TRIGGER)`: on content, by a named function.
    Function {
        /// What of the content it tells.
        function: ContentFunction,
        /// When it is sent.
        trigger: Trigger,
    },
}

/// What a field tells of the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFunction {
    /// `sha256`, `sha256[4]`: a digest, or its first bytes.
    Digest {
        /// Which digest.
        algorithm: DigestAlgorithm,
        /// How many of its bytes; all of them unless said.
        prefix_bytes: u8,
    },
    /// `size`: the length in bytes.
    Size,
    /// `type`: the type of the file.
    Type,
    /// `name`: its base name.
    Name,
    /// `path`: its path.
    Path,
    /// `contents`: the content or parts of it. A vacuous claim: it caps the grade at 1.
    Contents,
}

/// A digest that a claim may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// `md5`.
    Md5,
    /// `sha1`.
    Sha1,
    /// `sha256`.
    Sha256,
}

/// When a field that depends on content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Nothing said: about any file.
    Always,
    /// `when detection`: about a file that was found malicious.
    Detection,
    /// `when consent`: about a file that the user chose to send.
    Consent,
}

/// What an identifier tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `installation`.
    Installation,
    /// `machine`.
    Machine,
    /// `user`.
    User,
    /// `session`.
    Session,
}

/// When an identifier changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// `never`.
    Never,
    /// `install`: with each installation.
    Install,
    /// `day`.
    Day,
    /// `session`: with each start.
    Session,
    /// `message`: with each message.
    Message,
}
