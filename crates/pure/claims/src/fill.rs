//! Placeholders: what stands in a product file for something that the lab decides.
//!
//! A placeholder is a lower-case word in braces. Doubled braces, `{{bait}}`, are the text
//! `{bait}` itself; braces around anything else are just braces, so that JSON may stand in a
//! configuration file. Globs take no bare braces at all (see [`crate::Glob`]).

use thiserror::Error;

use crate::glob::escape_glob;
use crate::product::{Command, Domain, Install, InstalledFile, Product};

/// What the lab fills in. All are absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// `{bait}`: the home folder of the bait in the world.
    pub bait: String,
    /// `{samples}`: the folder of the detection samples in the world.
    pub samples: String,
    /// `{product}`: the folder of the product file on the lab's machine.
    pub product: String,
    /// `{specimens}`: the folder of the lab's own programs, where the specimens lie.
    pub specimens: String,
}

/// Why placeholders cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FillError {
    /// A value that is no canonical absolute path.
    #[error("the value of `{{{name}}}` is to be an absolute path without `.` and `..`")]
    NotAPath {
        /// Name of the placeholder.
        name: &'static str,
    },
    /// A placeholder that does not exist, or not where it stands. A file that was parsed has none.
    #[error("`{{{name}}}` cannot stand here")]
    Unknown {
        /// The word between the braces.
        name: String,
    },
}

impl Product {
    /// The same product with every placeholder filled in: commands, environment, configuration,
    /// installed files and globs. A glob with `{tmp}`, `{loader}` or `{trust}` becomes several.
    ///
    /// # Errors
    /// [`FillError::NotAPath`] names the value that is no absolute path.
    pub fn fill(&self, values: &Values) -> Result<Self, FillError> {
        values.check()?;
        let mut filled = self.clone();
        fill_install(&mut filled.install, values)?;
        for laid in &mut filled.configuration {
            laid.content = fill_text(&laid.content, Place::World, values)?;
        }
        for phase in &mut filled.phases {
            let commands = phase.setup.iter_mut().chain(phase.drive.iter_mut());
            for command in commands.chain(std::iter::once(&mut phase.run)) {
                fill_command(command, values)?;
            }
            for value in phase.environment.values_mut() {
                *value = fill_text(value, Place::World, values)?;
            }
        }
        for domain in filled.domains.values_mut() {
            fill_domain(domain, values)?;
        }
        Ok(filled)
    }
}

impl Values {
    /// Values of the right form, to try placeholders with.
    pub(crate) fn example() -> Self {
        let path = |text: &str| text.to_owned();
        Self {
            bait: path("/home/user"),
            samples: path("/samples"),
            product: path("/product"),
            specimens: path("/specimens"),
        }
    }

    fn check(&self) -> Result<(), FillError> {
        let values = [
            ("bait", &self.bait),
            ("samples", &self.samples),
            ("product", &self.product),
            ("specimens", &self.specimens),
        ];
        match values.into_iter().find(|(_, value)| !crate::host::is_plain_path(value)) {
            Some((name, _)) => Err(FillError::NotAPath { name }),
            None => Ok(()),
        }
    }
}

/// Where a text with placeholders stands, which decides what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Commands, environment and configuration: `{bait}`, `{samples}`.
    World,
    /// The source of an installed file: `{product}`, `{specimens}`.
    Lab,
}

impl Place {
    fn value_of<'a>(self, name: &str, values: &'a Values) -> Option<&'a str> {
        match (self, name) {
            (Self::World, "bait") => Some(&values.bait),
            (Self::World, "samples") => Some(&values.samples),
            (Self::Lab, "product") => Some(&values.product),
            (Self::Lab, "specimens") => Some(&values.specimens),
            _ => None,
        }
    }

    pub(crate) fn names(self) -> &'static str {
        match self {
            Self::World => "`{bait}` and `{samples}`",
            Self::Lab => "`{product}` and `{specimens}`",
        }
    }
}

/// Names that a glob may use, for messages.
pub(crate) const GLOB_PLACEHOLDERS: &str =
    "`{bait}`, `{samples}`, `{tmp}`, `{loader}` and `{trust}`";

/// Fills in a text other than a glob.
pub(crate) fn fill_text(text: &str, place: Place, values: &Values) -> Result<String, FillError> {
    let mut filled = String::with_capacity(text.len());
    for piece in Pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Placeholder(name) => filled.push_str(
                place
                    .value_of(name, values)
                    .ok_or_else(|| FillError::Unknown { name: name.to_owned() })?,
            ),
        }
    }
    Ok(filled)
}

/// Fills in a glob, which may become several. A placeholder stands at the beginning only, since
/// each is an absolute path; `{loader}` and `{trust}` stand alone, since they are globs themselves.
pub(crate) fn fill_glob(text: &str, values: &Values) -> Result<Vec<String>, FillError> {
    let Some((name, rest)) = leading_placeholder(text) else {
        return match first_placeholder(text) {
            Some(name) => Err(FillError::Unknown { name: name.to_owned() }),
            None => Ok(vec![text.to_owned()]),
        };
    };
    let unknown = || FillError::Unknown { name: name.to_owned() };
    if first_placeholder(rest).is_some() {
        return Err(FillError::Unknown {
            name: first_placeholder(rest).unwrap_or(name).to_owned(),
        });
    }
    let bases = match name {
        "bait" => vec![escape_glob(values.bait.as_bytes())],
        "samples" => vec![escape_glob(values.samples.as_bytes())],
        "tmp" => owned(TEMPORARY),
        "loader" if rest.is_empty() => owned(LOADER),
        "trust" if rest.is_empty() => owned(TRUST),
        _ => return Err(unknown()),
    };
    Ok(bases.into_iter().map(|base| base + rest).collect())
}

fn fill_install(install: &mut Install, values: &Values) -> Result<(), FillError> {
    let (Install::Debian { files, .. } | Install::Host { files }) = install;
    files.iter_mut().try_for_each(|file: &mut InstalledFile| {
        file.from = fill_text(&file.from, Place::Lab, values)?;
        Ok(())
    })
}

fn fill_command(command: &mut Command, values: &Values) -> Result<(), FillError> {
    for word in &mut command.0 {
        *word = fill_text(word, Place::World, values)?;
    }
    Ok(())
}

fn fill_domain(domain: &mut Domain, values: &Values) -> Result<(), FillError> {
    for globs in [&mut domain.reads, &mut domain.writes, &mut domain.executes] {
        let mut filled = Vec::with_capacity(globs.len());
        for glob in globs.iter() {
            filled.extend(fill_glob(glob, values)?);
        }
        *globs = filled;
    }
    Ok(())
}

fn owned(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|glob| (*glob).to_owned()).collect()
}

fn leading_placeholder(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    // Counted rather than searched for, so that a text of braces alone costs no more than its length.
    let length = inner.bytes().take_while(u8::is_ascii_lowercase).count();
    let (name, rest) = inner.split_at_checked(length)?;
    Some((name, rest.strip_prefix('}')?)).filter(|(name, _)| !name.is_empty())
}

fn first_placeholder(text: &str) -> Option<&str> {
    Pieces(text).find_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// A text cut at its placeholders.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let (before, from_brace) =
            self.0.split_at_checked(self.0.find('{').unwrap_or(self.0.len()))?;
        if !before.is_empty() {
            self.0 = from_brace;
            return Some(Piece::Text(before));
        }
        if let Some((name, rest)) = doubled(from_brace) {
            self.0 = rest;
            return Some(Piece::Text(name));
        }
        if let Some((name, rest)) = leading_placeholder(from_brace) {
            self.0 = rest;
            return Some(Piece::Placeholder(name));
        }
        let (brace, rest) = from_brace.split_at_checked(1)?;
        self.0 = rest;
        Some(Piece::Text(brace))
    }
}

/// `{{word}}` as the text `{word}` and what follows.
fn doubled(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let (name, rest) = leading_placeholder(inner)?;
    let rest = rest.strip_prefix('}')?;
    Some((inner.get(..name.len().checked_add(2)?)?, rest))
}

/// `{tmp}`: folders that anyone may write and that are emptied at a restart
/// (file-hierarchy(7); hier(7) for `/var/tmp`, which is emptied later).
pub const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];

/// `{loader}`: what the dynamic loader and the C library read on their own account, whatever a
/// program is for: to load libraries (ld.so(8)), to know language and time zone (locale(7),
/// tzset(3)), users and names (nsswitch.conf(5), resolver(5)), memory and processors
/// (malloc(3), get_nprocs(3)), itself and random bytes.
///
/// The machine id, `/proc/cpuinfo`, DMI and other processes are not among them: a program that
/// reads these wants to know where it is.
pub const LOADER: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d/**",
    "/lib/**",
    "/lib32/**",
    "/lib64/**",
    "/libx32/**",
    "/usr/lib/**",
    "/usr/lib32/**",
    "/usr/lib64/**",
    "/usr/libx32/**",
    "/usr/local/lib/**",
    "/usr/share/locale/**",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo/**",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/networks",
    "/proc/self/**",
    "/proc/stat",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/ngroups_max",
    "/sys/devices/system/cpu/**",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// `{trust}`: the certificates that the system trusts and the settings of its TLS libraries
/// (update-ca-certificates(8), config(5ssl), gnutls.conf). Private keys (`/etc/ssl/private`) are
/// not among them.
pub const TRUST: &[&str] = &[
    "/etc/ssl/certs/**",
    "/etc/ssl/openssl.cnf",
    "/etc/gnutls/config",
    "/etc/ca-certificates.conf",
    "/etc/ca-certificates/**",
    "/usr/share/ca-certificates/**",
    "/usr/local/share/ca-certificates/**",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;

    fn fill_world(text: &str) -> Result<String, FillError> {
        fill_text(text, Place::World, &Values::example())
    }

    #[test]
    fn fills_in_what_the_place_knows() {
        assert_eq!(fill_world("{bait}/x {samples}").as_deref(), Ok("/home/user/x /samples"));
        assert_eq!(fill_world("{tmp}"), Err(FillError::Unknown { name: "tmp".to_owned() }));
        assert_eq!(
            fill_text("{product}/bin", Place::Lab, &Values::example()).as_deref(),
            Ok("/product/bin")
        );
    }

    #[test]
    fn braces_around_anything_else_are_text() {
        for text in ["{\"a\":{\"b\":{}}}", "{", "}", "{Bait}", "{a b}", "{bait", "${X}", "{}"] {
            assert_eq!(fill_world(text).as_deref(), Ok(text));
        }
        assert_eq!(fill_world("{{bait}}").as_deref(), Ok("{bait}"));
        assert_eq!(fill_world("{{{bait}}}").as_deref(), Ok("{{bait}}"));
        assert_eq!(fill_world("{{bait}").as_deref(), Ok("{/home/user"));
    }

    #[test]
    fn a_glob_becomes_one_for_each_folder_meant() {
        let values = Values::example();
        let filled = fill_glob("{tmp}/**", &values).expect("globs");
        assert_eq!(filled, ["/tmp/**", "/var/tmp/**"]);
        assert_eq!(fill_glob("{loader}", &values).expect("globs").len(), LOADER.len());
        for text in ["{loader}/x", "/x/{bait}", "{bait}{samples}", "{product}/x"] {
            assert!(fill_glob(text, &values).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filled_in_path_is_taken_literally() {
        let values = Values { bait: "/home/a*[b]{c}".to_owned(), ..Values::example() };
        let filled = fill_glob("{bait}/**", &values).expect("globs").remove(0);
        let glob = Glob::parse(&filled).expect("a glob");
        assert!(glob.matches(b"/home/a*[b]{c}/x"));
        assert!(!glob.matches(b"/home/aZb{c}/x"));
    }

    #[test]
    fn every_fixed_glob_is_one() {
        for text in TEMPORARY.iter().chain(LOADER).chain(TRUST) {
            assert!(Glob::parse(text).is_ok(), "{text}");
        }
    }
}
