//! `[install]`, `[[configuration]]`, `[privileges]`: what the world is made of.

use super::schema::{CONFIGURATION, INSTALL, INSTALL_FILE, PRIVILEGES};
use super::section::{Section, Text};
use super::{check_no_duplicates, check_path, check_placeholders};
use crate::fill::Place;
use crate::problem::{Code, Problems, quoted};
use crate::product::{Install, InstalledFile, LaidFile, Privileges};

pub(super) fn read_install(root: &Section<'_>, problems: &mut Problems) -> Install {
    let nothing = Install::Host { files: Vec::new() };
    if root.require("install", problems).is_none() {
        return nothing;
    }
    let Some(section) = root.section("install", &INSTALL, problems) else { return nothing };
    let files = read_files(&section, problems);
    let packages = read_packages(&section, problems);
    let host = section.boolean("host", problems);
    check_one_origin(&section, host, problems);
    if section.has("debian") {
        Install::Debian { packages, files }
    } else {
        Install::Host { files }
    }
}

fn check_one_origin(section: &Section<'_>, host: Option<bool>, problems: &mut Problems) {
    let help = "a root from Debian packages, or a view of the host's own root";
    let message = match (section.has("debian"), section.has("host")) {
        (true, true) => "`debian` and `host` exclude each other",
        (false, false) => "`[install]` is to have `debian = […]` or `host = true`",
        (false, true) if host == Some(false) => {
            "`host = false` says nothing: leave it out, and say `debian`"
        }
        _ => return,
    };
    problems.add_with_help(Code::Contradiction, section.span(), message, help);
}

fn read_packages(section: &Section<'_>, problems: &mut Problems) -> Vec<String> {
    let packages = section.texts("debian", problems);
    check_no_duplicates("the package", &packages, problems);
    if let Some((toml::de::DeValue::Array(array), span)) = section.find("debian")
        && array.is_empty()
    {
        problems.add(Code::OutOfRange, &span, "`debian` names at least one package");
    }
    for package in &packages {
        if !is_package_name(package.value) {
            let message = format!("{} is no name of a Debian package", quoted(package.value));
            problems.add(Code::Spelling, &package.span, message);
        }
    }
    owned(&packages)
}

fn read_files(section: &Section<'_>, problems: &mut Problems) -> Vec<InstalledFile> {
    let sections = section.sections("file", &INSTALL_FILE, problems);
    let targets: Vec<Text<'_>> =
        sections.iter().filter_map(|file| file.required_text("to", problems)).collect();
    check_no_duplicates("the installed file", &targets, problems);
    sections.iter().map(|file| read_file(file, problems)).collect()
}

fn read_file(section: &Section<'_>, problems: &mut Problems) -> InstalledFile {
    let from = section.required_text("from", problems);
    let to = section.text("to", problems);
    if let Some(from) = &from {
        check_source(from, problems);
    }
    if let Some(to) = &to {
        check_path(to, problems);
    }
    let mode = section.number("mode", 0..=0o7777, problems);
    InstalledFile {
        from: value_of(from),
        to: value_of(to),
        mode: mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(DEFAULT_MODE),
    }
}

/// The source is `{product}/…`, `{specimens}/…` or an absolute path, and leaves none by `..`.
fn check_source(from: &Text<'_>, problems: &mut Problems) {
    check_placeholders(from, Place::Lab, problems);
    let below = ["{product}", "{specimens}"].iter().find_map(|name| from.value.strip_prefix(name));
    let path = below.unwrap_or(from.value);
    check_path(&Text { value: path, span: from.span.clone() }, problems);
}

pub(super) fn read_configuration(root: &Section<'_>, problems: &mut Problems) -> Vec<LaidFile> {
    let sections = root.sections("configuration", &CONFIGURATION, problems);
    let laid = sections.iter().map(|section| read_laid_file(section, problems));
    laid.collect()
}

fn read_laid_file(section: &Section<'_>, problems: &mut Problems) -> LaidFile {
    let path = section.required_text("path", problems);
    if let Some(path) = &path {
        check_path(path, problems);
    }
    let content = section.long_text("content", problems);
    if let Some(content) = &content {
        check_placeholders(content, Place::World, problems);
    }
    LaidFile {
        path: value_of(path),
        content: value_of(content),
        append: section.boolean("append", problems).unwrap_or(false),
    }
}

pub(super) fn read_privileges(root: &Section<'_>, problems: &mut Problems) -> Privileges {
    let Some(section) = root.section("privileges", &PRIVILEGES, problems) else {
        return Privileges::default();
    };
    Privileges {
        capabilities: read_constants(&section, "capabilities", "CAP_", problems),
        families: read_constants(&section, "families", "AF_", problems),
        io_uring: section.boolean("io_uring", problems).unwrap_or(false),
    }
}

fn read_constants(
    section: &Section<'_>,
    key: &str,
    prefix: &str,
    problems: &mut Problems,
) -> Vec<String> {
    let texts = section.texts(key, problems);
    check_no_duplicates("the word", &texts, problems);
    for text in &texts {
        let rest = text.value.strip_prefix(prefix);
        if !rest.is_some_and(is_constant) {
            let message = format!("{} does not look like `{prefix}…`", quoted(text.value));
            problems.add(Code::UnknownWord, &text.span, message);
        }
    }
    owned(&texts)
}

fn is_constant(text: &str) -> bool {
    let fitting = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(fitting)
}

/// Debian policy §5.6.1.
fn is_package_name(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=100).contains(&name.len())
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().all(|byte| alphanumeric(byte) || matches!(byte, b'+' | b'-' | b'.'))
}

fn owned(texts: &[Text<'_>]) -> Vec<String> {
    texts.iter().map(|text| text.value.to_owned()).collect()
}

fn value_of(text: Option<Text<'_>>) -> String {
    text.map(|text| text.value.to_owned()).unwrap_or_default()
}

/// What a file is given that no one runs.
const DEFAULT_MODE: u32 = 0o644;
