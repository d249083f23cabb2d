//! What a draft keeps of the product file that the product was driven by.

use std::fmt::Display;

use super::push_line;
use super::toml_text::{list, quote};
use crate::product::{Command, LaidFile, Phase, Privileges, Ready, Signal};
use crate::read::show_duration;

pub(super) fn push_configuration(text: &mut String, files: &[LaidFile]) {
    for file in files {
        push_line(text, "[[configuration]]");
        push_line(text, format_args!("path = {}", quote(&file.path)));
        if file.append {
            push_line(text, "append = true");
        }
        push_line(text, format_args!("content = {}\n", quote(&file.content)));
    }
}

pub(super) fn push_privileges(text: &mut String, privileges: &Privileges) {
    if *privileges == Privileges::default() {
        return;
    }
    push_line(text, "[privileges]");
    push_line(text, format_args!("capabilities = {}", list(&privileges.capabilities)));
    push_line(text, format_args!("families = {}", list(&privileges.families)));
    push_line(text, format_args!("io_uring = {}\n", privileges.io_uring));
}

/// The phase as it was planned, in the domain of the program that ran. An exit code that was seen
/// and not expected stands in a comment.
pub(super) fn push_planned(
    text: &mut String,
    name: &str,
    domain: &str,
    phase: &Phase,
    exit: Option<i32>,
) {
    push_line(text, "[[phase]]");
    push_line(text, format_args!("name = {}", quote(name)));
    push_line(text, format_args!("domain = {}", quote(domain)));
    push_commands(text, "setup", &phase.setup);
    push_line(text, format_args!("run = {}", list(&phase.run.0)));
    if let Some(ready) = &phase.ready {
        push_line(text, format_args!("ready = {{ {} }}", ready_in_words(ready)));
    }
    push_commands(text, "drive", &phase.drive);
    if phase.user != "root" {
        push_line(text, format_args!("user = {}", quote(&phase.user)));
    }
    if !phase.environment.is_empty() {
        let variables = phase.environment.iter();
        let variables =
            variables.map(|(name, value)| format!("{} = {}", quote(name), quote(value)));
        let variables = variables.collect::<Vec<_>>().join(", ");
        push_line(text, format_args!("environment = {{ {variables} }}"));
    }
    if phase.stop != Signal::Terminate {
        push_line(text, format_args!("stop = {}", quote(signal_in_words(phase.stop))));
    }
    push_duration(text, "timeout", phase.timeout);
    if let Some(lasts) = phase.lasts {
        push_duration(text, "for", lasts);
    }
    push_line(text, format_args!("expect_exit = {}", numbers(&phase.expect_exit)));
    if let Some(exit) = exit.filter(|exit| !phase.expect_exit.contains(exit)) {
        push_line(text, format_args!("# It ended with {exit}, which is not expected."));
    }
    text.push('\n');
}

fn push_commands(text: &mut String, key: &str, commands: &[Command]) {
    if !commands.is_empty() {
        let lists: Vec<String> = commands.iter().map(|command| list(&command.0)).collect();
        push_line(text, format_args!("{key} = [{}]", lists.join(", ")));
    }
}

fn push_duration(text: &mut String, key: &str, duration: std::time::Duration) {
    push_line(text, format_args!("{key} = {}", quote(&show_duration(duration))));
}

fn numbers(numbers: &[impl Display]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(", "))
}

fn ready_in_words(ready: &Ready) -> String {
    match ready {
        Ready::Unix(path) => format!("unix = {}", quote(path)),
        Ready::Tcp(port) => format!("tcp = {port}"),
        Ready::File(path) => format!("file = {}", quote(path)),
        Ready::Seconds(seconds) => format!("seconds = {seconds}"),
    }
}

fn signal_in_words(signal: Signal) -> &'static str {
    match signal {
        Signal::Terminate => "SIGTERM",
        Signal::Interrupt => "SIGINT",
        Signal::Quit => "SIGQUIT",
        Signal::Hangup => "SIGHUP",
        Signal::Kill => "SIGKILL",
    }
}
