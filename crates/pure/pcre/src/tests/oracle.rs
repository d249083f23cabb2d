//! PCRE2 itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Options;

pub(super) struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Match(Range<usize>),
    NoMatch,
    Limit,
}

impl Oracle {
    /// Where python3 and the library are.
    pub(super) fn start(test: &str) -> Option<Self> {
        let script = include_str!("oracle.py");
        let child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut oracle = child.ok().map(|mut child| {
            let questions = child.stdin.take().unwrap();
            let answers = BufReader::new(child.stdout.take().unwrap());
            Self { child, questions, answers }
        });
        let works = oracle
            .as_mut()
            .is_some_and(|oracle| oracle.ask_line("0 61 0:61\n").is_some_and(|line| line == "0-1"));
        if !works {
            eprintln!("skipped: {test}: no python3 or no libpcre2-8");
            assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test} skipped");
        }
        oracle.filter(|_| works)
    }

    /// What it finds in subjects from a place on; none where it refuses the pattern.
    pub(super) fn ask(
        &mut self,
        pattern: &[u8],
        options: Options,
        subjects: &[(usize, Vec<u8>)],
    ) -> Option<Vec<Answer>> {
        let mut line = format!("{} {}", bits(options), hex(pattern));
        for (from, subject) in subjects {
            line.push_str(&format!(" {from}:{}", hex(subject)));
        }
        line.push('\n');
        let answer = self.ask_line(&line).expect("it answers");
        (answer != "e").then(|| answer.split(' ').map(Answer::of).collect())
    }

    fn ask_line(&mut self, line: &str) -> Option<String> {
        self.questions.write_all(line.as_bytes()).ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        Some(answer.trim_end().to_owned())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Answer {
    fn of(text: &str) -> Self {
        match text.split_once('-') {
            Some((start, end)) => Self::Match(start.parse().unwrap()..end.parse().unwrap()),
            None if text == "n" => Self::NoMatch,
            None => Self::Limit,
        }
    }
}

/// The options by pcre2.h.
fn bits(options: Options) -> u32 {
    let Options { caseless, dot_all, multiline, extended, anchored, dollar_end_only, ungreedy } =
        options;
    [
        (caseless, 0x8),
        (dot_all, 0x20),
        (multiline, 0x400),
        (extended, 0x80),
        (anchored, 0x8000_0000),
        (dollar_end_only, 0x10),
        (ungreedy, 0x4_0000),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, bit)| bit)
    .sum()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
