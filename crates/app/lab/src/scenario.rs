//! The scenario that the fake internet plays, with what the lab makes at run time filled in.

use std::path::{Path, PathBuf};

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_checks::CANARY_DOMAIN;
use watchglass_events::Digest;
use watchglass_fakenet::{Answer, Host, Scenario};

use crate::cli::{Assay, NetworkChoice};

/// Largest scenario file in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The scenario beside the product file, or the one that was asked for, with the canary's host.
///
/// `own` is the update server of a product of the lab's own.
pub(crate) fn scenario(arguments: &Assay, own: Option<Host>) -> Result<Scenario> {
    let beside = arguments.product.with_extension("scenario.toml");
    let path = arguments.scenario.clone().or_else(|| beside.exists().then_some(beside));
    // The vendor plays itself on the real network; nobody but the canary is played there.
    let path = path.filter(|_| arguments.network != NetworkChoice::Real);
    let mut scenario = path.map_or_else(|| Ok(Scenario::default()), |path| read(&path))?;
    scenario.hosts.extend(own);
    let answer = Answer {
        path: "*".to_owned(),
        method: None,
        status: 200,
        headers: std::collections::BTreeMap::new(),
        body: Some("seen\n".to_owned()),
        file: None,
    };
    let host = format!("*.{CANARY_DOMAIN}");
    scenario.hosts.push(Host { host, answers: vec![answer], ..Host::default() });
    Ok(scenario)
}

fn read(path: &Path) -> Result<Scenario> {
    let context = || format!("cannot read the scenario {}", path.display());
    let size = std::fs::metadata(path).into_diagnostic().wrap_err_with(context)?.len();
    if size > MAX_BYTES {
        return Err(miette!("{}: {size} bytes, limit {MAX_BYTES}", path.display()));
    }
    let text = std::fs::read_to_string(path).into_diagnostic().wrap_err_with(context)?;
    let mut scenario: Scenario =
        toml::from_str(&filled(&text)).into_diagnostic().wrap_err_with(context)?;
    for host in &mut scenario.hosts {
        host.folder = host.folder.take().map(|folder| beside(path, &folder));
    }
    Ok(scenario)
}

/// Folders of a scenario are named from the folder of its file.
fn beside(path: &Path, folder: &Path) -> PathBuf {
    path.parent().unwrap_or_else(|| Path::new(".")).join(folder)
}

/// No test virus is stored, so a signature for it is written down at run time: `{eicar_sha256}` and
/// `{eicar_bytes}` stand for digest and size of the EICAR test file.
fn filled(text: &str) -> String {
    let eicar = watchglass_bait::eicar();
    let sha256 = Digest::of(&eicar).to_string();
    text.replace("{eicar_sha256}", &sha256).replace("{eicar_bytes}", &eicar.len().to_string())
}
