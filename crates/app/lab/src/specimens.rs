//! The lab's own products: what a world of theirs bears, and who plays their update server.
//!
//! The reference product and the specimens are told by where their programs come from. Only such a
//! world bears the specimens' mark, without which no specimen misbehaves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_bait::{Bait, Expected};
use watchglass_claims::{Install, Product};
use watchglass_events::Digest;
use watchglass_fakenet::{Answer, Host};
use watchglass_specimens::{
    CONFIGURATION_PATH, Configuration, Parameters, SIGNATURES_PATH, database_text,
};

use crate::cli::Assay;

/// A product of ours, by its parameters.
#[derive(Clone, Debug)]
pub(crate) struct OwnProduct {
    parameters: Parameters,
}

impl OwnProduct {
    /// Whether a product, placeholders not filled in, consists of the lab's own programs.
    pub(crate) fn of(product: &Product) -> Option<Self> {
        let Install::Host { files } = &product.install else { return None };
        let ours = |file: &watchglass_claims::InstalledFile| file.from.starts_with(FOLDER);
        if files.is_empty() || !files.iter().all(ours) {
            return None;
        }
        let laid = product.configuration.iter().find(|laid| laid.path == CONFIGURATION_PATH)?;
        let parameters = Configuration::parse(&laid.content).ok()?.parameters;
        Some(Self { parameters })
    }

    /// What the mark of the world says.
    pub(crate) fn mark(&self) -> String {
        format!("{}\n", self.parameters.token)
    }

    /// The update server, which serves a signature for each sample.
    pub(crate) fn update_server(&self, bait: &Bait) -> Host {
        let samples = bait.samples();
        let detected = samples.iter().filter(|sample| sample.expected == Expected::Detected);
        let signatures = detected.map(|sample| ("Test.File", Digest::of(&sample.bytes).0));
        let answer = Answer {
            path: SIGNATURES_PATH.to_owned(),
            method: Some("GET".to_owned()),
            status: 200,
            headers: BTreeMap::new(),
            body: Some(database_text(signatures)),
            file: None,
        };
        Host { host: self.parameters.update_host(), answers: vec![answer], ..Host::default() }
    }
}

/// The folder that `{specimens}` stands for.
pub(crate) fn folder_of(arguments: &Assay) -> Result<String> {
    let Some(given) = &arguments.specimens else { return folder() };
    let path =
        given.canonicalize().into_diagnostic().wrap_err_with(|| format!("{}", given.display()))?;
    path.to_str().map(str::to_owned).ok_or_else(|| miette!("{} is not UTF-8", path.display()))
}

/// The folder of the lab's own programs: they are built side by side.
pub(crate) fn folder() -> Result<String> {
    let own: PathBuf = std::env::current_exe().into_diagnostic().context("where the lab lies")?;
    let folder = own.parent().and_then(|folder| folder.to_str());
    folder.map(str::to_owned).ok_or_else(|| miette!("the lab's own folder is not UTF-8"))
}

/// What the path of a program of ours begins with.
const FOLDER: &str = "{specimens}/";

#[cfg(test)]
mod tests {
    use super::*;

    fn product(text: &str) -> Product {
        Product::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn the_reference_product_is_ours_and_bears_its_token() {
        let text = include_str!("../../../../products/reference.toml");
        let own = OwnProduct::of(&product(text)).expect("ours");
        assert_eq!(own.mark(), "none\n");
    }

    #[test]
    fn a_product_with_one_program_from_elsewhere_is_not_ours() {
        let text = include_str!("../../../../products/reference.toml");
        let other = text.replacen("{specimens}/specimen-ask", "/usr/bin/specimen-ask", 1);
        assert!(OwnProduct::of(&product(&other)).is_none());
    }
}
