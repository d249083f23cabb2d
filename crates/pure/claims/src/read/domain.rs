//! `[domain.NAME]`: what a set of programs claims.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeValue;

use super::schema::{CONTACT, DOMAIN, FIELD, SENDS};
use super::section::{Section, Text, report_type, suggestion};
use super::{MAX_ENTRIES, check_globs, check_name, check_no_duplicates, read_words};
use crate::host::Listen;
use crate::problem::{Code, Problems, quoted};
use crate::product::{Contact, Domain, Field, FieldClass, Host, Sends};

pub(super) fn read_domains(
    root: &Section<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Domain> {
    let mut domains = BTreeMap::new();
    root.require("domain", problems);
    let Some((table, _)) = root.table("domain", problems) else { return domains };
    let mut programs: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in table.iter().take(MAX_ENTRIES) {
        let name = key.get_ref().as_ref();
        check_name(name, &key.span(), problems);
        let DeValue::Table(inner) = value.get_ref() else {
            let _none: Option<()> = report_type(
                name,
                "a table, `[domain.NAME]`",
                value.get_ref(),
                &value.span(),
                problems,
            );
            continue;
        };
        let section = Section::open(&DOMAIN, inner, value.span(), problems);
        check_programs_apart(name, &section, &mut programs, problems);
        domains.insert(name.to_owned(), read_domain(&section, problems));
    }
    domains
}

fn read_domain(section: &Section<'_>, problems: &mut Problems) -> Domain {
    let contacts = read_contacts(section, problems);
    Domain {
        programs: read_programs(section, problems),
        reads: check_globs(&section.texts("reads", problems), problems),
        writes: check_globs(&section.texts("writes", problems), problems),
        executes: check_globs(&section.texts("executes", problems), problems),
        listens: read_listens(section, problems),
        sends: read_sends(section, &contacts, problems),
        contacts,
    }
}

/// A program belongs to one domain, or nobody could say whose claims bind it.
fn check_programs_apart(
    domain: &str,
    section: &Section<'_>,
    owners: &mut BTreeMap<String, String>,
    problems: &mut Problems,
) {
    // Mistakes of the list itself are reported when the domain is read.
    for program in section.texts("programs", &mut Problems::new("")) {
        let owner = owners.entry(program.value.to_owned()).or_insert_with(|| domain.to_owned());
        if owner != domain {
            let message =
                format!("the program {} belongs to `{owner}` already", quoted(program.value));
            problems.add(Code::Duplicate, &program.span, message);
        }
    }
}

fn read_programs(section: &Section<'_>, problems: &mut Problems) -> Vec<String> {
    section.require("programs", problems);
    let programs = section.texts("programs", problems);
    check_no_duplicates("the program", &programs, problems);
    if let Some((DeValue::Array(array), span)) = section.find("programs")
        && array.is_empty()
    {
        problems.add(Code::OutOfRange, &span, "`programs` names at least one program");
    }
    for program in &programs {
        let base_name = !program.value.contains('/') && !matches!(program.value, "" | "." | "..");
        if !base_name && !crate::host::is_plain_path(program.value) {
            let message = format!("{} is no program", quoted(program.value));
            let help = "a base name such as `clamscan`, or an absolute path in the world";
            problems.add_with_help(Code::Path, &program.span, message, help);
        }
    }
    programs.into_iter().map(|program| program.value.to_owned()).collect()
}

fn read_listens(section: &Section<'_>, problems: &mut Problems) -> Vec<String> {
    let listens = section.texts("listens", problems);
    check_no_duplicates("the address", &listens, problems);
    for listen in &listens {
        if Listen::parse(listen.value).is_none() {
            let message = format!("{} is no address to listen on", quoted(listen.value));
            let help = "`unix:/PATH`, `unix:@NAME`, `tcp:ADDRESS:PORT` or `udp:ADDRESS:PORT`";
            problems.add_with_help(Code::Listen, &listen.span, message, help);
        }
    }
    listens.into_iter().map(|listen| listen.value.to_owned()).collect()
}

fn read_contacts(section: &Section<'_>, problems: &mut Problems) -> Vec<Contact> {
    let sections = section.sections("contacts", &CONTACT, problems);
    let mut contacts: Vec<Contact> = Vec::with_capacity(sections.len());
    for section in sections {
        let contact = read_contact(&section, problems);
        let twice = contacts.iter().any(|other| {
            (&other.host, other.port, other.udp) == (&contact.host, contact.port, contact.udp)
        });
        if twice {
            let message = format!("the contact `{}:{}` is there twice", contact.host, contact.port);
            problems.add(Code::Duplicate, section.span(), message);
        }
        contacts.push(contact);
    }
    contacts
}

fn read_contact(section: &Section<'_>, problems: &mut Problems) -> Contact {
    section.require("port", problems);
    let port = section.number("port", 1..=65_535, problems);
    Contact {
        host: read_host(section, "host", problems),
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        udp: read_protocol(section, problems),
        purpose: read_words(section, "purpose", problems),
    }
}

fn read_protocol(section: &Section<'_>, problems: &mut Problems) -> bool {
    let Some(text) = section.text("protocol", problems) else { return false };
    if !matches!(text.value, "tcp" | "udp") {
        let message = format!("{} is no protocol", quoted(text.value));
        problems.add_with_help(Code::UnknownWord, &text.span, message, "possible: tcp, udp");
    }
    text.value == "udp"
}

fn read_host(section: &Section<'_>, key: &str, problems: &mut Problems) -> Host {
    // A host that no contact can be, so that one mistake is not reported twice.
    let nobody = Host::Exact(String::new());
    let Some(text) = section.required_text(key, problems) else { return nobody };
    if let Some(host) = Host::parse(text.value) {
        return host;
    }
    let lower = text.value.to_ascii_lowercase();
    let help = if Host::parse(&lower).is_some() {
        "write it in lower case"
    } else {
        "a host name, an address, `*.NAME` or `*`, without scheme, port or path"
    };
    problems.add_with_help(
        Code::Host,
        &text.span,
        format!("{} is no host", quoted(text.value)),
        help,
    );
    nobody
}

fn read_sends(section: &Section<'_>, contacts: &[Contact], problems: &mut Problems) -> Vec<Sends> {
    let sections = section.sections("sends", &SENDS, problems);
    let mut all: Vec<Sends> = Vec::with_capacity(sections.len());
    for section in sections {
        let sends = read_messages(&section, contacts, problems);
        let (_, span) =
            section.find("to").unwrap_or((&DeValue::Boolean(false), section.span().clone()));
        if all.iter().any(|other| other.to == sends.to && section.has("to")) {
            let message = format!("what is sent to `{}` is there twice", sends.to);
            problems.add(Code::Duplicate, &span, message);
        }
        all.push(sends);
    }
    all
}

fn read_messages(section: &Section<'_>, contacts: &[Contact], problems: &mut Problems) -> Sends {
    let to = read_host(section, "to", problems);
    check_contacted(section, &to, contacts, problems);
    section.require("fields", problems);
    let sections = section.sections("fields", &FIELD, problems);
    let names: Vec<Text<'_>> =
        sections.iter().filter_map(|field| field.text("name", problems)).collect();
    // Header names are the same in any case (RFC 9110 §5.1).
    check_no_duplicate_fields(&names, problems);
    let fields = sections.iter().map(|section| read_field(section, problems)).collect();
    let per_day = section.number("per_day", 0..=u64::from(u32::MAX), problems);
    Sends { to, fields, per_day: per_day.and_then(|per_day| u32::try_from(per_day).ok()) }
}

fn check_contacted(
    section: &Section<'_>,
    to: &Host,
    contacts: &[Contact],
    problems: &mut Problems,
) {
    let Some((DeValue::String(text), span)) = section.find("to") else { return };
    if Host::parse(text).is_none() || contacts.iter().any(|contact| contact.host == *to) {
        return;
    }
    let hosts: Vec<String> = contacts.iter().map(|contact| contact.host.to_string()).collect();
    let help = match suggestion(text, hosts.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            "each host in `sends` stands in `contacts` of the same domain, written alike".to_owned()
        }
    };
    let message = format!("the domain does not contact {}", quoted(text));
    problems.add_with_help(Code::UnknownContact, &span, message, help);
}

fn check_no_duplicate_fields(names: &[Text<'_>], problems: &mut Problems) {
    let mut seen: Vec<(String, Range<usize>)> = Vec::new();
    for name in names {
        let lower = name.value.to_ascii_lowercase();
        if seen.iter().any(|(other, _)| *other == lower) {
            let message = format!("the field {} is there twice", quoted(name.value));
            problems.add(Code::Duplicate, &name.span, message);
        }
        seen.push((lower, name.span.clone()));
    }
}

fn read_field(section: &Section<'_>, problems: &mut Problems) -> Field {
    section.require("max_bytes", problems);
    Field {
        name: read_words(section, "name", problems),
        class: read_class(section, problems),
        max_bytes: section.number("max_bytes", 1..=MAX_FIELD_BYTES, problems).unwrap_or_default(),
    }
}

fn read_class(section: &Section<'_>, problems: &mut Problems) -> FieldClass {
    let Some(text) = section.required_text("class", problems) else { return FieldClass::Constant };
    FieldClass::parse(text.value).unwrap_or_else(|| {
        let message = format!("{} is no field class", quoted(text.value));
        let help = match suggestion(text.value, CLASSES.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("possible: {}", CLASSES.join(", ")),
        };
        problems.add_with_help(Code::FieldClass, &text.span, message, help);
        FieldClass::Constant
    })
}

const CLASSES: &[&str] = &[
    "constant",
    "clock",
    "counter",
    "echo",
    "id(installation, never)",
    "f(content: sha256 when detection)",
];

/// 1 TiB: no field is larger, and the sums of capacities stay far from overflow.
const MAX_FIELD_BYTES: u64 = 1 << 40;
