//! `product init`: a draft of a product file from what was seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_checks::Case;
use watchglass_claims::{
    Command, Identity, Install, Observed, ObservedPhase, Phase, Privileges, Product, Signal, draft,
};
use watchglass_evidence::Choice;
use watchglass_store::write_file;

use crate::cli::{self, Init};
use crate::{assay, output};

/// `refused` is what this process could not get before.
pub(crate) fn init(arguments: &Init, refused: Option<Choice>) -> Result<ExitCode> {
    let file = &arguments.output;
    if file.exists() && !arguments.force {
        return Err(miette!("{} exists; give another name or --force", file.display()));
    }
    let observed = match &arguments.from {
        Some(bundle) => of_bundle(bundle)?,
        None => observe(arguments, refused)?,
    };
    let (phases, programs) = (observed.phases.len(), observed.programs.len());
    write(file, &draft(&observed))?;
    println!(
        "{}: drafted from {phases} phases and {programs} programs; hold each line against what the \
         vendor documents, then: watchglass assay {}",
        file.display(),
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// What a finished bundle shows. A stranger's is checked first, as any.
fn of_bundle(bundle: &Path) -> Result<Observed> {
    watchglass_recheck::recheck(bundle, &[]).into_diagnostic().wrap_err_with(|| {
        format!("{} is no bundle to draft from; assay the product again", bundle.display())
    })?;
    let case = Case::from_parts(&output::parts(bundle)?).into_diagnostic()?;
    Ok(case.observed())
}

/// Makes one run of the phases that were asked for, under claims of nothing, and looks at it. The
/// claims stand in the file meanwhile, so that a run which breaks off can be looked into.
fn observe(arguments: &Init, refused: Option<Choice>) -> Result<Observed> {
    let asked = asked(arguments)?;
    let file = &arguments.output;
    let text = draft(&asked);
    if let Err(problems) = Product::parse(&text) {
        let first = problems.first().map_or_else(String::new, |problem| problem.message.clone());
        return Err(miette!("--phase or --debian: {first}"));
    }
    write(file, &text)?;
    let bundle = bundle_beside(file)?;
    let line = assay_line(arguments, file, &bundle);
    let cli::Command::Assay(assay) = cli::Cli::try_parse_from(line).into_diagnostic()?.command
    else {
        return Err(miette!("the run could not be asked for"));
    };
    assay::record(&assay, Vec::from_iter(refused))?;
    let mut observed = of_bundle(&bundle)?;
    for phase in &mut observed.phases {
        expect_what_was_seen(phase);
    }
    Ok(observed)
}

fn write(file: &Path, text: &str) -> Result<()> {
    write_file(file, text.as_bytes())
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot write {}; give a folder that is there", file.display()))
}

fn bundle_beside(file: &Path) -> Result<PathBuf> {
    let bundle = file.with_extension("observed");
    if bundle.exists() {
        return Err(miette!(
            "{} is there from another time; move it away, or draft from it with --from",
            bundle.display()
        ));
    }
    Ok(bundle)
}

fn assay_line(arguments: &Init, file: &Path, bundle: &Path) -> Vec<std::ffi::OsString> {
    let mut line = vec!["watchglass".into(), "assay".into(), file.into(), "--output".into()];
    line.extend([bundle.into(), "--runs".into(), "A1".into()]);
    for (option, value) in [("--cache", &arguments.cache), ("--state", &arguments.state)] {
        if let Some(value) = value {
            line.extend([option.into(), value.into()]);
        }
    }
    if arguments.no_progress {
        line.push("--no-progress".into());
    }
    line
}

fn asked(arguments: &Init) -> Result<Observed> {
    let install = match (&arguments.debian[..], arguments.host) {
        ([], true) => Install::Host { files: Vec::new() },
        ([_, ..], false) => {
            Install::Debian { packages: arguments.debian.clone(), files: Vec::new() }
        }
        _ => {
            return Err(miette!(
                "say what to draft from: --from BUNDLE, --debian PACKAGES or --host"
            ));
        }
    };
    let phases = arguments.phase.iter().map(|text| phase(text)).collect::<Result<Vec<_>>>()?;
    let Some(first) = phases.first() else {
        return Err(miette!("say what it is to do: --phase \"scan=clamscan -r {{bait}}\""));
    };
    let program = first.run.0.first().cloned().unwrap_or_default();
    let name = arguments.debian.first().cloned().unwrap_or(program);
    Ok(Observed {
        product: Identity { name, vendor: "unknown".into(), jurisdiction: "ZZ".into() },
        install,
        configuration: Vec::new(),
        privileges: Privileges::default(),
        phases: phases.into_iter().map(planned).collect(),
        programs: Vec::new(),
        bait: Vec::new(),
        samples: Vec::new(),
    })
}

fn planned(phase: Phase) -> ObservedPhase {
    ObservedPhase {
        name: phase.name.clone(),
        run: phase.run.0.clone(),
        program: Vec::new(),
        exit: None,
        took: Duration::ZERO,
        planned: Some(phase),
    }
}

/// `NAME=COMMAND` as a phase that runs to its end, however it ends.
fn phase(text: &str) -> Result<Phase> {
    let wrong = || miette!("--phase `{text}` is not NAME=COMMAND, such as update=freshclam");
    let (name, command) = text.split_once('=').ok_or_else(wrong)?;
    let words = words(command).filter(|words| !words.is_empty()).ok_or_else(wrong)?;
    Ok(Phase {
        name: name.to_owned(),
        domain: String::new(),
        setup: Vec::new(),
        run: Command(words),
        ready: None,
        drive: Vec::new(),
        user: "root".to_owned(),
        environment: BTreeMap::new(),
        stop: Signal::Terminate,
        timeout: Duration::from_secs(15 * 60),
        expect_exit: (0..=255).collect(),
        lasts: None,
    })
}

fn expect_what_was_seen(phase: &mut ObservedPhase) {
    if let Some(planned) = &mut phase.planned {
        planned.expect_exit = vec![phase.exit.unwrap_or(0)];
    }
}

/// The words of a command. Quotes keep spaces together; nothing else has a meaning. `None`: a quote
/// is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        let split = |text| words(text).unwrap();
        assert_eq!(split(" freshclam  --stdout "), ["freshclam", "--stdout"]);
        assert_eq!(split("a 'b \"c' \"\" d'e f'"), ["a", "b \"c", "", "de f"]);
        assert_eq!(words("a 'b"), None);
        assert!(split("").is_empty());
    }

    #[test]
    fn a_phase_is_a_name_and_a_command() {
        let scan = phase("scan=clamscan -r {bait} --x=y").unwrap();
        assert_eq!((scan.name.as_str(), scan.run.0.len()), ("scan", 4));
        for text in ["scan", "scan=", "scan='"] {
            assert!(phase(text).is_err(), "{text}");
        }
    }
}
