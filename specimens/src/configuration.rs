//! `/etc/specimen.conf`: `key = value` lines, `#` for comments. No mode is the honest product.

use std::collections::BTreeMap;
use std::path::PathBuf;

use thiserror::Error;

use crate::catalogue::{SPECIMENS, Specimen};
use crate::document::Pick;
use crate::parameters::{Carrier, Encoding, Parameters};

/// Where the configuration lies, unless the variable `SPECIMEN_CONFIGURATION` says otherwise.
pub const CONFIGURATION_PATH: &str = "/etc/specimen.conf";

/// What the programs go by.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What kind of product they are.
    pub mode: Mode,
    /// What the seed decided.
    pub parameters: Parameters,
    /// The signature database.
    pub database: PathBuf,
    /// The scanner's own folder.
    pub state: PathBuf,
    /// The updater's own folder.
    pub updater_state: PathBuf,
    /// Folder of the sockets.
    pub sockets: PathBuf,
    /// What the service looks after while idle, if anything.
    pub watch: Option<PathBuf>,
}

/// What kind of product the programs are.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// The honest reference product.
    Referee,
    /// One of the specimens.
    Specimen(&'static Specimen, Side),
}

/// One of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It does what it should not.
    Misdeed,
    /// It does the legitimate thing nearest to that.
    Twin,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("{}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A line without `=`.
    #[error("line {line}: no `key = value`")]
    NoPair {
        /// Counted from 1.
        line: usize,
    },
    /// A key that is missing.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value that means nothing.
    #[error("`{key} = {value}` means nothing here")]
    Value {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
    },
}

impl Configuration {
    /// Reads the configuration of this machine.
    ///
    /// # Errors
    /// When it is missing or cannot be understood.
    pub fn load() -> Result<Self, ConfigurationError> {
        let path = std::env::var_os("SPECIMEN_CONFIGURATION");
        let path = path.map_or_else(|| PathBuf::from(CONFIGURATION_PATH), PathBuf::from);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(source) => Err(ConfigurationError::Unreadable { path, source }),
        }
    }

    /// Reads a configuration file's text.
    ///
    /// # Errors
    /// For a line, key or value that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let values = Values::parse(text)?;
        let path = |key, default: &str| PathBuf::from(values.get(key).unwrap_or(default));
        Ok(Self {
            mode: values.optional("mode", Mode::parse)?.unwrap_or(Mode::Referee),
            parameters: values.parameters()?,
            database: path("database", "/var/lib/specimen/signatures.txt"),
            state: path("state", "/var/lib/specimen/state"),
            updater_state: path("updater_state", "/var/lib/specimen/updater"),
            sockets: path("sockets", "/run/specimen"),
            watch: values.get("watch").map(PathBuf::from),
        })
    }

    /// The socket that the service answers on.
    #[must_use]
    pub fn service_socket(&self) -> PathBuf {
        self.sockets.join("service.sock")
    }

    /// The socket that the updater answers on when it stays.
    #[must_use]
    pub fn updater_socket(&self) -> PathBuf {
        self.sockets.join("updater.sock")
    }

    /// The file that is left in the scanner's folder for another time.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.state.join(&self.parameters.state_name)
    }
}

impl Parameters {
    /// The lines of `/etc/specimen.conf` for these parameters.
    #[must_use]
    pub fn to_configuration(&self, mode: Mode) -> String {
        let mode = match mode {
            Mode::Referee => String::new(),
            Mode::Specimen(specimen, side) => format!("mode = {}\n", mode_name(specimen, side)),
        };
        format!(
            "{mode}host = {}\ncollector = {}\nport = {}\npath = {}\npick = {}\nencoding = {}\n\
             header = {}\ndelay_hours = {}\nstate_name = {}\nmarking = {}\ncarrier = {}\ntoken = {}\n",
            self.host,
            self.collector,
            self.port,
            self.path,
            data_encoding::HEXLOWER.encode(&self.pick.0),
            self.encoding.name(),
            self.header,
            self.delay_hours,
            self.state_name,
            self.marking,
            self.carrier.name(),
            self.token,
        )
    }
}

impl Mode {
    fn parse(text: &str) -> Option<Self> {
        let (name, side) = match text.strip_suffix(TWIN_SUFFIX) {
            Some(name) => (name, Side::Twin),
            None => (text, Side::Misdeed),
        };
        let specimen = SPECIMENS.iter().find(|specimen| specimen.name == name)?;
        Some(Self::Specimen(specimen, side))
    }
}

fn mode_name(specimen: &Specimen, side: Side) -> String {
    match side {
        Side::Misdeed => specimen.name.to_owned(),
        Side::Twin => format!("{}{TWIN_SUFFIX}", specimen.name),
    }
}

/// What turns the mode of a misdeed into the mode of its twin.
const TWIN_SUFFIX: &str = ".twin";

/// The lines of a configuration file.
struct Values<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Values<'a> {
    fn parse(text: &'a str) -> Result<Self, ConfigurationError> {
        let mut values = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once('=');
            let (key, value) = pair.ok_or(ConfigurationError::NoPair { line: number + 1 })?;
            values.insert(key.trim(), value.trim());
        }
        Ok(Self(values))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    fn optional<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigurationError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let meant = parse(value);
        meant.map(Some).ok_or_else(|| ConfigurationError::Value { key, value: value.to_owned() })
    }

    fn required<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigurationError> {
        self.optional(key, parse)?.ok_or(ConfigurationError::Missing { key })
    }

    fn parameters(&self) -> Result<Parameters, ConfigurationError> {
        let text = |key| self.required(key, |value| Some(value.to_owned()));
        Ok(Parameters {
            host: text("host")?,
            collector: text("collector")?,
            port: self.required("port", |value| value.parse().ok())?,
            path: text("path")?,
            pick: self.required("pick", parse_pick)?,
            encoding: self.required("encoding", Encoding::parse)?,
            header: text("header")?,
            delay_hours: self.required("delay_hours", |value| value.parse().ok())?,
            state_name: self.required("state_name", parse_base_name)?,
            marking: text("marking")?,
            carrier: self.required("carrier", Carrier::parse)?,
            token: text("token")?,
        })
    }
}

fn parse_pick(text: &str) -> Option<Pick> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    Some(Pick(bytes.try_into().ok()?))
}

/// A name that stays inside its folder.
fn parse_base_name(text: &str) -> Option<String> {
    (!text.contains('/') && !text.starts_with('.')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_survive_the_configuration_file() {
        let parameters = Parameters::from_seed(&[9; 32]);
        let read = Configuration::parse(&parameters.to_configuration(Mode::Referee)).unwrap();
        assert_eq!(read.parameters, parameters);
        assert!(matches!(read.mode, Mode::Referee));
    }

    #[test]
    fn every_mode_has_a_name_that_is_understood() {
        let parameters = Parameters::from_seed(&[9; 32]);
        for specimen in SPECIMENS {
            for side in [Side::Misdeed, Side::Twin] {
                let text = parameters.to_configuration(Mode::Specimen(specimen, side));
                let Mode::Specimen(read, read_side) = Configuration::parse(&text).unwrap().mode
                else {
                    panic!("{} became the reference product", specimen.name)
                };
                assert_eq!((read.name, read_side), (specimen.name, side));
            }
        }
    }

    #[test]
    fn an_unknown_mode_is_no_honest_product() {
        let text = Parameters::from_seed(&[9; 32]).to_configuration(Mode::Referee);
        let error = Configuration::parse(&format!("mode = documents\n{text}")).unwrap_err();
        assert_eq!(error.to_string(), "`mode = documents` means nothing here");
    }

    #[test]
    fn a_state_name_stays_inside_its_folder() {
        let text = Parameters::from_seed(&[9; 32]).to_configuration(Mode::Referee);
        assert!(Configuration::parse(&format!("{text}state_name = ../passwd\n")).is_err());
    }
}
