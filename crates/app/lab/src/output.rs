//! What the lab writes and prints: bundles, product file checks, logs, differences.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_checks::Case;
use watchglass_checks::results::Results;
use watchglass_claims::{Product, render_problems};
use watchglass_events::Event;
use watchglass_evidence::{
    ENVELOPE, MANIFEST, Manifest, Part, PartName, REPORT, RESULTS, Statement, Subject, to_canonical,
};
use watchglass_store::{SigningKey, write_file};

use crate::cli;

/// Derives, renders, signs and writes what belongs beside the parts of a bundle.
///
/// The envelope is written last: a bundle without it is unfinished.
pub(crate) fn seal(folder: &Path, key: &SigningKey) -> Result<Results> {
    let parts = parts(folder)?;
    let case = Case::from_parts(&parts).into_diagnostic()?;
    let results = watchglass_checks::derive(&case);
    let manifest = Manifest {
        schema: 1,
        parts: parts.iter().map(|(name, bytes)| Part::of(name.clone(), bytes)).collect(),
    };
    let documents = [
        (MANIFEST, to_canonical(&manifest).into_diagnostic()?),
        (RESULTS, to_canonical(&results).into_diagnostic()?),
        (REPORT, watchglass_report::page(&results).into_bytes()),
    ];
    let subjects = documents.iter().map(|(name, bytes)| Subject::of(name, bytes)).collect();
    let statement =
        Statement::new(subjects, watchglass_recheck::attributes(&results, &documents[1].1));
    let envelope = key.sign(&to_canonical(&statement).into_diagnostic()?);
    for (name, bytes) in &documents {
        write_file(&folder.join(name), bytes).into_diagnostic()?;
    }
    let envelope = to_canonical(&envelope).into_diagnostic()?;
    write_file(&folder.join(ENVELOPE), &envelope).into_diagnostic()?;
    Ok(results)
}

/// The files of a bundle that the lab wrote itself a moment ago, or that was checked.
pub(crate) fn parts(folder: &Path) -> Result<BTreeMap<PartName, Vec<u8>>> {
    let mut parts = BTreeMap::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_diagnostic()?;
        for entry in entries {
            let entry = entry.into_diagnostic()?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().into_diagnostic()?.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if ![MANIFEST, RESULTS, REPORT, ENVELOPE].contains(&name.as_str()) {
                let bytes =
                    std::fs::read(entry.path()).into_diagnostic().wrap_err_with(|| name.clone())?;
                parts.insert(PartName::parse(&name).into_diagnostic()?, bytes);
            }
        }
    }
    Ok(parts)
}

/// Reads a product file, or tells every mistake in it.
pub(crate) fn read_product(path: &Path) -> Result<(Product, String)> {
    let bytes = std::fs::read(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read the product file {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let product = Product::parse_bytes(&bytes).map_err(|problems| {
        let count = problems.len();
        miette!("{}: {count} mistakes\n{}", path.display(), render_problems(&problems, &text))
    })?;
    Ok((product, text))
}

pub(crate) fn check_product(arguments: &cli::Check) -> Result<ExitCode> {
    let (product, _) = read_product(&arguments.product)?;
    let (phases, domains) = (product.phases.len(), product.domains.len());
    println!(
        "{}: {} is well-formed: {phases} phases, {domains} domains",
        arguments.product.display(),
        product.product.name
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn events(arguments: &cli::Events) -> Result<ExitCode> {
    let bytes = std::fs::read(&arguments.log)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", arguments.log.display()))?;
    let log = watchglass_events::log::parse(&bytes).into_diagnostic()?;
    match print_lines(&log.events) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        printed => printed.into_diagnostic()?,
    }
    match log.cut {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => Err(miette!("the log breaks off after {} events: {why}", log.events.len())),
    }
}

fn print_lines(events: &[Event]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for event in events {
        serde_json::to_writer(&mut out, event)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

pub(crate) fn diff(arguments: &cli::Diff) -> Result<ExitCode> {
    let read = |folder: &Path| {
        watchglass_recheck::recheck(folder, &[])
            .into_diagnostic()
            .wrap_err_with(|| format!("{} is refused", folder.display()))
    };
    let (before, after) = (read(&arguments.before)?, read(&arguments.after)?);
    let differences = watchglass_report::diff(&before.results, &after.results);
    for difference in &differences {
        let (kind, what) = (difference.kind, &difference.what);
        let (before, after) = (&difference.before, &difference.after);
        if arguments.json {
            let line = serde_json::json!({ "schema": 1, "kind": kind, "what": what, "before": before, "after": after });
            println!("{line}");
        } else {
            let shown =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
            println!("{kind} {what}: {} → {}", shown(before), shown(after));
        }
    }
    if differences.is_empty() && !arguments.json {
        println!("nothing differs");
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}
