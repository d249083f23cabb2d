//! What was typed after `./x` or `cargo xtask`.

use std::ffi::OsString;

use lexopt::Arg;

use crate::measure::Wanted;
use crate::trouble::Trouble;

/// A chore with its options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Assays a product; the arguments go to `watchglass assay` unchanged.
    Assay { arguments: Vec<OsString> },
    /// Runs every check.
    Test { on_skip: OnSkip },
    /// Checks that code keeps to its room.
    Rooms { act: RoomsAct },
    /// Says what this machine has.
    Doctor,
    /// Runs the benchmarks; the arguments go to `cargo bench`.
    Bench { arguments: Vec<OsString> },
    /// Takes a measurement, or lists them.
    Measure { name: Option<String>, wanted: Wanted },
    /// Fuzzes a parser, or lists the targets.
    Fuzz { target: Option<String>, seconds: u32 },
    /// Makes the golden bundle again.
    Golden,
    /// Prints [`USAGE`].
    Help,
}

/// What a skipped test means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSkip {
    /// It is listed by name.
    List,
    /// It is listed by name, and the whole run has failed.
    Fail,
}

/// What to do about the generated files of the rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomsAct {
    /// Says where they differ.
    Check,
    /// Writes them, then checks the rest.
    Write,
}

pub(crate) const USAGE: &str = "\
Usage: ./x COMMAND            (or, inside the repository: cargo xtask COMMAND)

  assay [PRODUCT] [ARGS...]   set up what is missing, build, assay a product; ClamAV by default.
                              ARGS go to `watchglass assay`; its exit code is the verdict:
                              0 kept, 1 a claim is broken, 2 error, 3 inconclusive
  test [--strict]             set up what the tests need and run every check;
                              --strict: a skipped test is a failure
  doctor                      say what this machine has and what it lacks
  bench [ARGS...]             run the benchmarks; ARGS go to `cargo bench`
  measure [NAME]              take a measurement too long for CI; without NAME: list them;
                              fuzz --target NAME: only this one, may stand more than once;
                              fuzz --resume: those without figures of this commit;
                              engine --only PART: only this part, may stand more than once
  rooms [--write]             check that code keeps to its room; --write: generate the clippy.toml files
  golden                      make the golden bundle again, after a check or the report has changed
  fuzz [NAME] [--seconds N]   fuzz one parser for N seconds (60); without NAME: list them

Examples:
  ./x assay                                   assay ClamAV, with everything set up on the way
  ./x assay products/clamav.toml -o out       choose the product file and where the bundle goes
  ./x assay --self-test                       let the lab prove that it catches its own specimens
  ./x test --strict                           what CI runs
  cargo xtask rooms                           after adding a crate or a dependency
  cargo xtask fuzz event_log --seconds 600    look for inputs that break the event log's reader

Exit codes of the chores other than assay: 0 all is well, 1 something is wrong, 2 could not finish.
";

/// Reads the command line.
///
/// # Errors
/// [`Trouble::Usage`] for what is not in [`USAGE`].
pub(crate) fn read(mut parser: lexopt::Parser) -> Result<Command, Trouble> {
    let Some(first) = parser.next()? else { return Ok(Command::Help) };
    let name = match first {
        Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
        Arg::Value(name) => name.string()?,
        other => return Err(other.unexpected().into()),
    };
    match name.as_str() {
        "assay" => Ok(Command::Assay { arguments: parser.raw_args()?.collect() }),
        "bench" => Ok(Command::Bench { arguments: parser.raw_args()?.collect() }),
        "test" => test(parser),
        "rooms" => rooms(parser),
        "doctor" => alone(parser, Command::Doctor),
        "golden" => alone(parser, Command::Golden),
        "measure" => measure(parser),
        "fuzz" => fuzz(parser),
        "help" => Ok(Command::Help),
        _ => Err(Trouble::Usage(format!("there is no command `{name}`"))),
    }
}

fn test(mut parser: lexopt::Parser) -> Result<Command, Trouble> {
    let mut on_skip = OnSkip::List;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("strict") => on_skip = OnSkip::Fail,
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Test { on_skip })
}

fn rooms(mut parser: lexopt::Parser) -> Result<Command, Trouble> {
    let mut act = RoomsAct::Check;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("write") => act = RoomsAct::Write,
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Rooms { act })
}

fn measure(mut parser: lexopt::Parser) -> Result<Command, Trouble> {
    let (mut name, mut wanted) = (None, Wanted::default());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("target") => wanted.targets.push(parser.value()?.string()?),
            Arg::Long("resume") => wanted.resume = true,
            Arg::Long("only") => wanted.only.push(parser.value()?.string()?),
            Arg::Value(value) if name.is_none() => name = Some(value.string()?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Measure { name, wanted })
}

fn fuzz(mut parser: lexopt::Parser) -> Result<Command, Trouble> {
    let (mut target, mut seconds) = (None, 60);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("seconds") => seconds = parser.value()?.parse()?,
            Arg::Value(value) if target.is_none() => target = Some(value.string()?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Fuzz { target, seconds })
}

fn alone(mut parser: lexopt::Parser, command: Command) -> Result<Command, Trouble> {
    match parser.next()? {
        None => Ok(command),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Command::Help),
        Some(other) => Err(other.unexpected().into()),
    }
}

use lexopt::ValueExt as _;

impl From<lexopt::Error> for Trouble {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Result<Command, Trouble> {
        read(lexopt::Parser::from_args(words))
    }

    #[test]
    fn assay_hands_every_argument_on_unread() {
        let Command::Assay { arguments } =
            typed(&["assay", "--json", "-o", "a b", "--help"]).unwrap()
        else {
            panic!("another command")
        };
        assert_eq!(arguments, ["--json", "-o", "a b", "--help"]);
    }

    #[test]
    fn strict_makes_a_skip_a_failure() {
        assert_eq!(typed(&["test"]).unwrap(), Command::Test { on_skip: OnSkip::List });
        assert_eq!(typed(&["test", "--strict"]).unwrap(), Command::Test { on_skip: OnSkip::Fail });
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for words in [&["asay"][..], &["test", "--fast"], &["doctor", "x"], &["--strict"]] {
            assert!(matches!(typed(words), Err(Trouble::Usage(_))), "{words:?}");
        }
    }

    #[test]
    fn help_is_to_be_had_everywhere_but_in_assay_and_bench_that_have_their_own() {
        for words in [&[][..], &["--help"], &["test", "-h"], &["rooms", "--help"], &["help"]] {
            assert_eq!(typed(words).unwrap(), Command::Help, "{words:?}");
        }
    }
}
