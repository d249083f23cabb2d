//! `[[phase]]`: what the product is made to do.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

use super::duration::{parse_duration, show_duration};
use super::schema::{PHASE, READY};
use super::section::{Section, Text, as_number, as_texts, suggestion};
use super::{check_name, check_no_duplicates, check_path, check_placeholders};
use crate::fill::Place;
use crate::problem::{Code, Problems, quoted};
use crate::product::{Command, Domain, Phase, Product, Ready, Signal};

pub(super) fn read_phases(
    root: &Section<'_>,
    domains: &BTreeMap<String, Domain>,
    problems: &mut Problems,
) -> Vec<Phase> {
    root.require("phase", problems);
    let sections = root.sections("phase", &PHASE, problems);
    let names: Vec<Text<'_>> =
        sections.iter().filter_map(|phase| phase.required_text("name", problems)).collect();
    check_no_duplicates("the phase", &names, problems);
    for name in &names {
        check_name(name.value, &name.span, problems);
    }
    sections.iter().map(|section| read_phase(section, domains, problems)).collect()
}

fn read_phase(
    section: &Section<'_>,
    domains: &BTreeMap<String, Domain>,
    problems: &mut Problems,
) -> Phase {
    let phase = Phase {
        name: section.text("name", problems).map(|name| name.value.to_owned()).unwrap_or_default(),
        domain: read_domain_name(section, domains, problems),
        setup: read_commands(section, "setup", problems),
        run: read_run(section, problems),
        ready: read_ready(section, problems),
        drive: read_commands(section, "drive", problems),
        user: read_user(section, problems),
        environment: read_environment(section, problems),
        stop: read_signal(section, problems),
        timeout: read_duration(section, "timeout", TIMEOUTS, problems).unwrap_or(DEFAULT_TIMEOUT),
        expect_exit: read_exits(section, problems),
        lasts: read_duration(section, "for", IDLE_TIMES, problems),
    };
    check_service_keys(section, problems);
    phase
}

/// Only a service has somebody to drive it and a signal to end it. An idle phase is one too: it
/// goes on until its time is over.
fn check_service_keys(section: &Section<'_>, problems: &mut Problems) {
    if section.has("drive") && !section.has("ready") {
        let message = "`drive` says nothing without `ready`";
        let help = "say when the service is ready to be driven";
        problems.add_with_help(Code::Contradiction, section.span(), message, help);
    }
    if section.has("stop") && !section.has("ready") && !section.has("for") {
        let message = "`stop` says nothing without `ready` or `for`";
        let help = "a command that runs to its own end is not stopped";
        problems.add_with_help(Code::Contradiction, section.span(), message, help);
    }
}

/// A command that names a program of another domain than its phase's is a slip.
pub(super) fn check_programs(root: &Section<'_>, product: &Product, problems: &mut Problems) {
    // Mistakes of the phases themselves were reported when they were read.
    let sections = root.sections("phase", &PHASE, &mut Problems::new(""));
    for (section, phase) in sections.iter().zip(&product.phases) {
        let program = phase.run.0.first().map(String::as_str).unwrap_or_default();
        let Some(own) = product.domains.get(&phase.domain) else { continue };
        if product.names_word(own, program) {
            continue;
        }
        if let Some(other) = product.domain_of_word(program) {
            let span = section.find("run").map_or_else(|| section.span().clone(), |(_, span)| span);
            let message = format!("{} is a program of the domain `{other}`", quoted(program));
            let help = format!("the phase says `domain = \"{}\"`", phase.domain);
            problems.add_with_help(Code::Contradiction, &span, message, help);
        }
    }
}

fn read_domain_name(
    section: &Section<'_>,
    domains: &BTreeMap<String, Domain>,
    problems: &mut Problems,
) -> String {
    let Some(text) = section.required_text("domain", problems) else { return String::new() };
    if !domains.contains_key(text.value) {
        let help = match suggestion(text.value, domains.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "each phase names a `[domain.NAME]` of this file".to_owned(),
        };
        let message = format!("there is no domain {}", quoted(text.value));
        problems.add_with_help(Code::UnknownDomain, &text.span, message, help);
    }
    text.value.to_owned()
}

fn read_run(section: &Section<'_>, problems: &mut Problems) -> Command {
    match section.require("run", problems) {
        Some((value, span)) => read_command("run", value, span, problems),
        None => Command(Vec::new()),
    }
}

fn read_commands(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<Command> {
    let entries = section.list(key, problems);
    entries.into_iter().map(|(value, span)| read_command(key, value, span, problems)).collect()
}

fn read_command(
    key: &str,
    value: &DeValue<'_>,
    span: Range<usize>,
    problems: &mut Problems,
) -> Command {
    if let DeValue::String(_) = value {
        let message = format!("`{key}` is to be a list of words, found a text");
        let help = "no shell splits it: write [\"program\", \"argument\"]";
        problems.add_with_help(Code::WrongType, &span, message, help);
        return Command(Vec::new());
    }
    let words = as_texts(key, value, span.clone(), problems);
    let program = words.first().map(|word| word.value);
    if matches!((value, program), (DeValue::Array(_), None | Some(""))) {
        problems.add(Code::OutOfRange, &span, format!("`{key}` begins with a program"));
    }
    for word in &words {
        check_placeholders(word, Place::World, problems);
    }
    Command(words.into_iter().map(|word| word.value.to_owned()).collect())
}

fn read_ready(section: &Section<'_>, problems: &mut Problems) -> Option<Ready> {
    let ready = section.section("ready", &READY, problems)?;
    let said = READY.keys.iter().filter(|key| ready.has(key)).count();
    if said != 1 {
        let message = "`ready` is to have exactly one of `unix`, `tcp`, `file`, `seconds`";
        problems.add(Code::Contradiction, ready.span(), message);
    }
    let unix = ready.text("unix", problems);
    let file = ready.text("file", problems);
    for path in unix.iter().chain(&file) {
        check_path(path, problems);
    }
    let tcp = ready.number("tcp", 1..=65_535, problems).and_then(|port| u16::try_from(port).ok());
    let seconds = ready.number("seconds", 1..=3_600, problems);
    unix.map(|path| Ready::Unix(path.value.to_owned()))
        .or_else(|| tcp.map(Ready::Tcp))
        .or_else(|| file.map(|path| Ready::File(path.value.to_owned())))
        .or_else(|| seconds.map(Ready::Seconds))
}

fn read_user(section: &Section<'_>, problems: &mut Problems) -> String {
    let Some(text) = section.text("user", problems) else { return DEFAULT_USER.to_owned() };
    let number = text.value.parse::<u32>().is_ok() && !text.value.starts_with('+');
    if !number && !is_user_name(text.value) {
        let message = format!("{} is no name or number of a user", quoted(text.value));
        problems.add(Code::Spelling, &text.span, message);
    }
    text.value.to_owned()
}

/// As useradd(8) takes them.
fn is_user_name(name: &str) -> bool {
    let fitting = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    (1..=32).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(fitting)
}

fn read_environment(section: &Section<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let Some((table, _)) = section.table("environment", problems) else { return BTreeMap::new() };
    let mut environment = BTreeMap::new();
    for (key, value) in table.iter().take(super::MAX_ENTRIES) {
        let name = key.get_ref().as_ref();
        if !is_variable_name(name) {
            let message = format!("{} is no name of a variable", quoted(name));
            problems.add(Code::Spelling, &key.span(), message);
        }
        let limit = super::section::MAX_TEXT_BYTES;
        let text = super::section::as_text(name, value.get_ref(), value.span(), limit, problems);
        if let Some(text) = text {
            check_placeholders(&text, Place::World, problems);
            environment.insert(name.to_owned(), text.value.to_owned());
        }
    }
    environment
}

/// POSIX base definitions §8.1, with lower case, which programs use too.
fn is_variable_name(name: &str) -> bool {
    let fitting = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=100).contains(&name.len())
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(fitting)
}

fn read_signal(section: &Section<'_>, problems: &mut Problems) -> Signal {
    let Some(text) = section.text("stop", problems) else { return Signal::Terminate };
    if let Some((_, signal)) = SIGNALS.iter().find(|(word, _)| *word == text.value) {
        return *signal;
    }
    let words = SIGNALS.iter().map(|(word, _)| *word);
    let help = match suggestion(text.value, words.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("possible: {}", words.collect::<Vec<_>>().join(", ")),
    };
    let message = format!("{} is no signal that may end a service", quoted(text.value));
    problems.add_with_help(Code::UnknownWord, &text.span, message, help);
    Signal::Terminate
}

fn read_duration(
    section: &Section<'_>,
    key: &str,
    (shortest, longest): (Duration, Duration),
    problems: &mut Problems,
) -> Option<Duration> {
    let text = section.text(key, problems)?;
    let Some(duration) = parse_duration(text.value) else {
        let message = format!("{} is no duration", quoted(text.value));
        let help = "a whole number and `ms`, `s`, `m`, `h` or `d`, as in \"72h\"";
        problems.add_with_help(Code::Duration, &text.span, message, help);
        return None;
    };
    if duration < shortest || duration > longest {
        let (shortest, longest) = (show_duration(shortest), show_duration(longest));
        let message = format!("`{key}` is a duration from {shortest} to {longest}");
        problems.add(Code::OutOfRange, &text.span, message);
    }
    Some(duration)
}

fn read_exits(section: &Section<'_>, problems: &mut Problems) -> Vec<i32> {
    if !section.has("expect_exit") {
        return vec![0];
    }
    let entries = section.list("expect_exit", problems);
    if let Some((DeValue::Array(array), span)) = section.find("expect_exit")
        && array.is_empty()
    {
        problems.add(Code::OutOfRange, &span, "`expect_exit` names at least one code");
    }
    let mut exits: Vec<i32> = Vec::new();
    for (value, span) in entries {
        let code = as_number("expect_exit", value, &span, 0..=255, problems);
        let Some(code) = code.and_then(|code| i32::try_from(code).ok()) else { continue };
        if exits.contains(&code) {
            problems.add(Code::Duplicate, &span, format!("the code {code} is there twice"));
        }
        exits.push(code);
    }
    exits
}

const SIGNALS: &[(&str, Signal)] = &[
    ("SIGTERM", Signal::Terminate),
    ("SIGINT", Signal::Interrupt),
    ("SIGQUIT", Signal::Quit),
    ("SIGHUP", Signal::Hangup),
    ("SIGKILL", Signal::Kill),
];

const DEFAULT_USER: &str = "root";

/// Long enough for a scan of the bait, short enough that a product that hangs does not stop a CI.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

const IDLE_TIMES: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(366 * 24 * 3600));
