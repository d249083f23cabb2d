//! From what a product was seen to do to a product file that a person can go on with.
//!
//! A draft is no claim: it says what was seen, in the shape of a claim, and asks a person to hold
//! each line against what the vendor documents. Where it has to guess, it takes the claim that is
//! worth least.

mod claims;
mod plan;
mod toml_text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::product::{Identity, Install, LaidFile, Phase, Privileges};
use crate::read::{MAX_ENTRIES, show_duration};
use claims::{PathKind, claim_paths, usable_contacts};
use toml_text::{comment, list, quote};

/// What was seen in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What the product is.
    pub product: Identity,
    /// How it was installed.
    pub install: Install,
    /// Files that were laid over as the customer would configure them.
    pub configuration: Vec<LaidFile>,
    /// What the world gave it beyond an unprivileged user namespace.
    pub privileges: Privileges,
    /// What it was made to do.
    pub phases: Vec<ObservedPhase>,
    /// The programs that ran.
    pub programs: Vec<ObservedProgram>,
    /// Home folder of the bait in the world: becomes `{bait}`.
    pub bait: Vec<u8>,
    /// Folder of the detection samples in the world: becomes `{samples}`.
    pub samples: Vec<u8>,
}

/// A command that was run, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedPhase {
    /// Name of the phase.
    pub name: String,
    /// Program and arguments.
    pub run: Vec<String>,
    /// Path of the program that ran, as the kernel resolved it.
    pub program: Vec<u8>,
    /// Its exit code; `None` where it was a service or was killed.
    pub exit: Option<i32>,
    /// How long it took.
    pub took: std::time::Duration,
    /// The phase of the product file that it was driven by: the draft keeps it.
    pub planned: Option<Phase>,
}

/// A program and what its processes did. Paths are those that the kernel resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedProgram {
    /// Path of the program.
    pub path: Vec<u8>,
    /// Paths opened for reading.
    pub reads: BTreeSet<Vec<u8>>,
    /// Paths written, created, renamed or removed.
    pub writes: BTreeSet<Vec<u8>>,
    /// Programs run.
    pub executes: BTreeSet<Vec<u8>>,
    /// Addresses listened on, as `listens` writes them.
    pub listens: BTreeSet<String>,
    /// Hosts reached.
    pub contacts: Vec<ObservedContact>,
}

/// A host that was reached, and what was sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContact {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// UDP instead of TCP.
    pub udp: bool,
    /// Fields of the messages, where they could be read.
    pub fields: Vec<ObservedField>,
    /// Number of messages.
    pub messages: u32,
}

/// A field of the messages to one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedField {
    /// Name, as `fields` writes it.
    pub name: String,
    /// Longest value in bytes.
    pub max_bytes: u64,
    /// How many different values it had.
    pub values: u64,
}

/// Drafts a product file. The text always parses, whatever was seen: what cannot be claimed in a
/// product file stands in a comment.
///
/// Each program becomes a domain of its own, the narrowest split. Folders of which many files were
/// seen become `FOLDER/**`.
#[must_use]
pub fn draft(observed: &Observed) -> String {
    let domains = name_domains(&observed.programs);
    let mut text = String::from(HEADER);
    push_identity(&mut text, &observed.product);
    push_install(&mut text, &observed.install);
    plan::push_configuration(&mut text, &observed.configuration);
    plan::push_privileges(&mut text, &observed.privileges);
    push_phases(&mut text, observed, &domains);
    for (name, program) in &domains {
        push_domain(&mut text, name, program.as_ref(), observed);
    }
    text
}

type Domains<'a> = BTreeMap<String, std::borrow::Cow<'a, ObservedProgram>>;

/// One domain for each program, with a unique name. Without any program there is one empty domain,
/// since a product file needs one.
fn name_domains(programs: &[ObservedProgram]) -> Domains<'_> {
    let mut domains: Domains<'_> = BTreeMap::new();
    let mut known: BTreeSet<&[u8]> = BTreeSet::new();
    for program in programs.iter().filter(|program| is_claimable(&program.path)) {
        if domains.len() < MAX_ENTRIES && known.insert(&program.path) {
            let name = free_name(&domain_name(&program.path), |name| !domains.contains_key(name));
            domains.insert(name, std::borrow::Cow::Borrowed(program));
        }
    }
    if domains.is_empty() {
        let unknown =
            ObservedProgram { path: b"/usr/bin/false".to_vec(), ..ObservedProgram::default() };
        domains.insert("unknown".to_owned(), std::borrow::Cow::Owned(unknown));
    }
    domains
}

/// Programs are named in text, so a name that is none cannot be claimed.
fn is_claimable(path: &[u8]) -> bool {
    let text = std::str::from_utf8(path).unwrap_or_default();
    crate::host::is_plain_path(text) && text.len() <= MAX_PATH_BYTES
}

fn domain_name(path: &[u8]) -> String {
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    slug(&String::from_utf8_lossy(base), "program")
}

/// A text as the name of a phase or domain.
fn slug(text: &str, otherwise: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let letters =
        lower.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    let letters: String =
        letters.skip_while(|letter| !letter.is_ascii_lowercase()).take(24).collect();
    let trimmed = letters.trim_end_matches('-');
    if trimmed.is_empty() { otherwise.to_owned() } else { trimmed.to_owned() }
}

fn free_name(wanted: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (2_u32..).map(|number| format!("{wanted}-{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).unwrap_or_default()
}

fn push_identity(text: &mut String, identity: &Identity) {
    push_line(text, "[product]");
    push_line(text, format_args!("name = {}", quote(&one_line(&identity.name))));
    push_line(text, format_args!("vendor = {}", quote(&one_line(&identity.vendor))));
    let code = identity.jurisdiction.as_str();
    let known = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let code = if known { code } else { "ZZ" };
    push_line(
        text,
        format_args!("jurisdiction = {} # whose law can compel the vendor\n", quote(code)),
    );
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().filter(|letter| !letter.is_control()).take(40).collect();
    if line.trim().is_empty() { "unknown".to_owned() } else { line }
}

fn push_install(text: &mut String, install: &Install) {
    push_line(text, "[install]");
    let files = match install {
        Install::Debian { packages, files } if !packages.is_empty() => {
            push_line(text, format_args!("debian = {}", list(packages)));
            files
        }
        Install::Debian { files, .. } | Install::Host { files } => {
            push_line(text, "host = true");
            files
        }
    };
    for file in files {
        push_line(text, "\n[[install.file]]");
        push_line(text, format_args!("from = {}", quote(&file.from)));
        push_line(text, format_args!("to = {}", quote(&file.to)));
        push_line(text, format_args!("mode = 0o{:o}", file.mode));
    }
    text.push('\n');
}

fn push_phases(text: &mut String, observed: &Observed, domains: &Domains<'_>) {
    let first = domains.keys().next().map(String::as_str).unwrap_or_default();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for phase in observed.phases.iter().take(MAX_ENTRIES) {
        let name = free_name(&slug(&phase.name, "phase"), |name| !names.contains(name));
        let domain = domains.iter().find(|(_, program)| program.path == phase.program);
        let domain = domain.map_or(first, |(domain, _)| domain);
        match &phase.planned {
            Some(planned) => plan::push_planned(text, &name, domain, planned, phase.exit),
            None => push_phase(text, &name, domain, phase),
        }
        names.insert(name);
    }
    if observed.phases.is_empty() {
        push_line(text, "# No phase was seen. This one is to be replaced.");
        push_line(
            text,
            format_args!(
                "[[phase]]\nname = \"unknown\"\ndomain = {}\nrun = [\"false\"]\n",
                quote(first)
            ),
        );
    }
}

fn push_phase(text: &mut String, name: &str, domain: &str, phase: &ObservedPhase) {
    push_line(text, "[[phase]]");
    push_line(text, format_args!("name = {}", quote(name)));
    push_line(text, format_args!("domain = {}", quote(domain)));
    // The resolved path, since the word that was typed may name a program of another domain.
    let program =
        String::from_utf8(phase.program.clone()).ok().filter(|path| is_claimable(path.as_bytes()));
    let program = program.unwrap_or_else(|| "false".to_owned());
    let arguments = phase.run.iter().skip(1).take(MAX_ENTRIES.saturating_sub(1));
    let words = std::iter::once(program).chain(arguments.map(|word| literal_word(word)));
    push_line(text, format_args!("run = {}", list(&words.collect::<Vec<_>>())));
    match phase.exit.filter(|code| (0..=255).contains(code)) {
        Some(code) => push_line(text, format_args!("expect_exit = [{code}]")),
        None => push_line(text, "# It did not end by itself: a service takes `ready`."),
    }
    let minutes = phase.took.as_secs().saturating_mul(3).div_ceil(60).clamp(5, 1440);
    let timeout = show_duration(std::time::Duration::from_secs(minutes.saturating_mul(60)));
    push_line(text, format_args!("timeout = {} # three times what it took\n", quote(&timeout)));
}

/// A word of a command as it was, so that nothing in it is taken for a placeholder.
fn literal_word(word: &str) -> String {
    let mut literal = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, from_brace)) = rest.find('{').and_then(|at| rest.split_at_checked(at)) {
        literal.push_str(before);
        let inner = from_brace.get(1..).unwrap_or_default();
        let name: String = inner.chars().take_while(char::is_ascii_lowercase).collect();
        let after = inner.get(name.len()..).unwrap_or_default();
        match after.strip_prefix('}').filter(|_| !name.is_empty()) {
            Some(after) => {
                literal.push_str(&format!("{{{{{name}}}}}"));
                rest = after;
            }
            None => {
                literal.push('{');
                rest = inner;
            }
        }
    }
    literal.push_str(rest);
    literal.chars().filter(|letter| *letter != '\0').take(1000).collect()
}

fn push_domain(text: &mut String, name: &str, program: &ObservedProgram, observed: &Observed) {
    let path = String::from_utf8_lossy(&program.path).into_owned();
    push_line(text, format_args!("[domain.{name}]"));
    push_line(text, format_args!("programs = {}", list(&[path])));
    push_paths(text, "reads", &program.reads, PathKind::Read, observed);
    push_paths(text, "writes", &program.writes, PathKind::Write, observed);
    let executes: BTreeSet<Vec<u8>> =
        program.executes.iter().filter(|path| **path != program.path).cloned().collect();
    push_paths(text, "executes", &executes, PathKind::Execute, observed);
    push_listens(text, &program.listens);
    push_contacts(text, name, program);
    text.push('\n');
}

fn push_paths(
    text: &mut String,
    key: &str,
    paths: &BTreeSet<Vec<u8>>,
    kind: PathKind,
    observed: &Observed,
) {
    let claims = claim_paths(paths, kind, observed);
    if claims.is_empty() {
        return;
    }
    push_line(text, format_args!("{key} = ["));
    for claim in claims {
        let seen =
            if claim.seen > 1 { format!(" # {} paths seen", claim.seen) } else { String::new() };
        push_line(text, format_args!("  {},{seen}", quote(&claim.glob)));
    }
    push_line(text, "]");
}

fn push_listens(text: &mut String, listens: &BTreeSet<String>) {
    let (claimed, other): (Vec<&String>, Vec<&String>) =
        listens.iter().partition(|listen| crate::Listen::parse(listen).is_some());
    for listen in other.iter().take(MAX_ENTRIES) {
        push_line(text, format_args!("# listened on {}", comment(listen.as_bytes())));
    }
    if !claimed.is_empty() {
        let claimed: Vec<String> = claimed.into_iter().take(MAX_ENTRIES).cloned().collect();
        push_line(text, format_args!("listens = {}", list(&claimed)));
    }
}

fn push_contacts(text: &mut String, domain: &str, program: &ObservedProgram) {
    let (contacts, other) = usable_contacts(&program.contacts);
    for contact in other.iter().take(MAX_ENTRIES) {
        push_line(text, format_args!("# reached {}", comment(contact.host.as_bytes())));
    }
    for contact in &contacts {
        let protocol = if contact.udp { "\nprotocol = \"udp\"" } else { "" };
        push_line(text, format_args!("\n[[domain.{domain}.contacts]]"));
        push_line(
            text,
            format_args!("host = {}\nport = {}{protocol}", quote(&contact.host), contact.port),
        );
        push_line(text, "purpose = \"to be said\"");
    }
    for (host, fields, messages) in claims::messages_of(&contacts) {
        push_line(
            text,
            format_args!("\n# {messages} messages seen. How many a day, the vendor is to say."),
        );
        push_line(
            text,
            format_args!("[[domain.{domain}.sends]]\nto = {}\nfields = [", quote(&host)),
        );
        for field in fields {
            push_field(text, &field);
        }
        push_line(text, "]");
    }
}

/// What varied is drafted as the worst that it can be, which caps the grade until someone says
/// what it depends on.
fn push_field(text: &mut String, field: &ObservedField) {
    let class = if field.values <= 1 { "constant" } else { "f(content: contents)" };
    let note = if field.values <= 1 { "" } else { " # it varied: on what does it depend?" };
    let name = quote(&one_line(&field.name));
    let bytes = field.max_bytes.clamp(1, 1 << 40);
    push_line(
        text,
        format_args!("  {{ name = {name}, class = \"{class}\", max_bytes = {bytes} }},{note}"),
    );
}

fn push_line(text: &mut String, line: impl std::fmt::Display) {
    let _infallible = writeln!(text, "{line}");
}

const HEADER: &str = "\
# Drafted from what was seen in a run: this is what the product did, not what its maker claims. A
# verdict on it says no more than that it did the same again. Hold each line against what the vendor documents:
# keep what the documentation says, and remove what was merely seen, so that the lab can find it.
# Each program has a domain of its own; programs that share one duty may share a domain.

schema = 1

";

/// Longest path that a product file takes.
const MAX_PATH_BYTES: usize = 1000;

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
