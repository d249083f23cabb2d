//! The options that `check` and `facts` share.

use std::error::Error;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;
use watchglass_events::Digest;
use watchglass_policy::{Moment, Policy, Request, Standing};

use crate::input::{self, ProductFile};

/// What is asked, as options say it.
pub(crate) struct Ask {
    pub(crate) policy: PathBuf,
    pub(crate) products: Vec<PathBuf>,
    pub(crate) classes: Vec<String>,
    pub(crate) verdicts: Vec<PathBuf>,
    at: Option<Moment>,
    installed_since: Option<Moment>,
    build: Option<Digest>,
}

impl Ask {
    pub(crate) fn new() -> Self {
        Self {
            policy: PathBuf::from(DEFAULT_POLICY),
            products: Vec::new(),
            classes: Vec::new(),
            verdicts: Vec::new(),
            at: None,
            installed_since: None,
            build: None,
        }
    }

    /// Takes an argument that both commands know.
    pub(crate) fn take(
        &mut self,
        argument: &lexopt::Arg<'_>,
        value: impl FnOnce() -> Result<std::ffi::OsString, lexopt::Error>,
    ) -> Result<bool, Box<dyn Error>> {
        match argument {
            Long("policy") => self.policy = PathBuf::from(value()?),
            Long("product") => self.products.push(PathBuf::from(value()?)),
            Long("class") => self.classes.push(value()?.string()?),
            Long("at") => self.at = Some(moment("--at", &value()?.string()?)?),
            Long("installed-since") => {
                self.installed_since = Some(moment("--installed-since", &value()?.string()?)?);
            }
            Long("build") => {
                let digest = Digest::parse(&value()?.string()?);
                self.build = Some(digest.ok_or("--build takes 64 lower-case hexadecimal digits")?);
            }
            Value(path) => self.verdicts.push(PathBuf::from(path)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn read_policy(&self) -> Result<Policy, Box<dyn Error>> {
        input::policy(Path::new(&self.policy))
    }

    /// The time to decide for: the one that was given, or the machine's.
    pub(crate) fn now(&self) -> Option<Moment> {
        self.at.or_else(input::clock)
    }

    pub(crate) fn request<'a>(
        &self,
        product: &'a ProductFile,
        class: &'a str,
        now: Option<Moment>,
    ) -> Request<'a> {
        Request {
            product: &product.identity,
            product_file: product.digest,
            class,
            now,
            standing: self.installed_since.map_or(Standing::New, Standing::InstalledSince),
            build: self.build,
        }
    }
}

fn moment(option: &str, text: &str) -> Result<Moment, String> {
    Moment::parse(text).map_err(|error| format!("{option} takes {error}"))
}

/// Where a policy lies unless one is given.
const DEFAULT_POLICY: &str = "/etc/watchglass/policy.toml";
