//! `watchglass policy facts`.

use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use lexopt::prelude::*;
use watchglass_policy::{Decision, Policy, Request, ansible, decide, osquery, wazuh};

use crate::ask::Ask;
use crate::check::owned;
use crate::{input, print};

pub(crate) fn command(arguments: &mut lexopt::Parser) -> Result<ExitCode, Box<dyn Error>> {
    let (mut ask, mut reader) = (Ask::new(), None);
    while let Some(argument) = arguments.next()? {
        let argument = owned(argument);
        match argument.borrow() {
            Long("for") => reader = Some(Reader::named(&arguments.value()?.string()?)?),
            Short('h') | Long("help") => return Ok(print(HELP.as_bytes())),
            known => {
                if !ask.take(&known, || arguments.value())? {
                    return Err(known.unexpected().into());
                }
            }
        }
    }
    let reader = reader.ok_or("--for ansible, osquery or wazuh is needed; see --help")?;
    if ask.products.is_empty() {
        return Err("--product FILE is needed, at least once; see --help".into());
    }
    let policy = ask.read_policy()?;
    let products =
        ask.products.iter().map(|path| input::product(path)).collect::<Result<Vec<_>, _>>()?;
    let verdicts = input::verdicts(&ask.verdicts)?;
    let now = ask.now();
    let classes: Vec<&str> = match ask.classes.as_slice() {
        [] => policy.classes.keys().map(String::as_str).collect(),
        some => some.iter().map(String::as_str).collect(),
    };
    let pairs =
        products.iter().flat_map(|product| classes.iter().map(move |class| (product, *class)));
    let decided: Vec<_> = pairs
        .map(|(product, class)| {
            let request = ask.request(product, class, now);
            let decision = decide(&policy, &request, &verdicts);
            (request, decision)
        })
        .collect();
    Ok(print(&reader.facts(&policy, &decided)?))
}

/// Whom the facts are for.
#[derive(Clone, Copy)]
enum Reader {
    Ansible,
    Osquery,
    Wazuh,
}

impl Reader {
    fn named(name: &str) -> Result<Self, &'static str> {
        match name {
            "ansible" => Ok(Self::Ansible),
            "osquery" => Ok(Self::Osquery),
            "wazuh" => Ok(Self::Wazuh),
            _ => Err("--for takes `ansible`, `osquery` or `wazuh`"),
        }
    }

    fn facts(
        self,
        policy: &Policy,
        decided: &[(Request<'_>, Decision)],
    ) -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(match self {
            Self::Ansible => ansible(policy, decided)?.into_bytes(),
            Self::Wazuh => wazuh(policy, decided).into_bytes(),
            Self::Osquery if std::io::stdout().is_terminal() => {
                return Err(
                    "a SQLite file is nothing for a terminal: put `> FILE` behind it".into()
                );
            }
            Self::Osquery => osquery(policy, decided)?,
        })
    }
}

const HELP: &str = "\
Decides for several products and classes, and prints the decisions as facts for other tools.

Usage: watchglass policy facts --for READER [OPTIONS] --product FILE… [VERDICT…]

Readers:
  ansible   one JSON object, for /etc/ansible/facts.d/watchglass.fact
  osquery   a SQLite file with the table `decisions`, for automatic table construction
  wazuh     one JSON object a line, for a `localfile` of the format `json`

Options:
      --product FILE          a product file; may be given again
      --class CLASS           a class of systems; may be given again [default: all of the policy]
      --policy FILE           the policy [default: /etc/watchglass/policy.toml]
      --build SHA256          the build that is installed, as in `policy check`
      --installed-since TIME  the products are installed since then, as in `policy check`
      --at TIME               decide for this time instead of now
  -h, --help                  print this help

Facts go to standard output. A tool that reads while they are written must not see half of them: write
to another name in the same folder and rename.

Exit codes: 0 facts were printed, whatever was decided, 2 bad usage or a file that cannot be read

Example: watchglass policy facts --for osquery --product products/clamav.toml assay-ClamAV > facts.new &&
             mv facts.new /var/lib/watchglass/facts.db
";
