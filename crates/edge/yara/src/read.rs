//! From files of rules to rules, each with what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use watchglass_signatures::rule::{Need, Rule};
use watchglass_signatures::{BadLine, LineError};
use yara_x::SourceCode;
use yara_x_parser::Parser;
use yara_x_parser::ast::dfs::{DFSEvent, DFSIter};
use yara_x_parser::ast::{AST, Expr, Item, RuleFlags, WithSpan as _};
use yara_x_parser::cst::{CST, CSTStream, SyntaxKind};

use crate::need::Needs;
use crate::variables;

/// A file of rules.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name for messages.
    pub file: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Rules that are reported when they hold. Private ones are parts of others.
    pub rules: Vec<Rule>,
    /// What is not taken, and why.
    pub bad: Vec<BadLine>,
}

/// Reads files of rules, each a namespace of its own. A rule that yara-x does not compile is left out
/// and told; where it is global all rules of its file are, since without it they would say more than
/// they should.
///
/// Costs some 100 µs for each rule.
#[must_use]
pub fn read(sources: &[Source<'_>]) -> Read {
    let mut read = Read::default();
    // One for all files: making one costs as much as ten rules.
    let mut compiler = yara_x::Compiler::new();
    variables::define(&mut compiler);
    compiler.enable_includes(false);
    for (number, source) in sources.iter().enumerate() {
        compiler.new_namespace(&number.to_string());
        read.add(source, &mut compiler);
    }
    read
}

impl Read {
    fn add(&mut self, source: &Source<'_>, compiler: &mut yara_x::Compiler<'_>) {
        let file: Arc<str> = source.file.into();
        let text = match std::str::from_utf8(source.bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}'),
            Err(error) => {
                let valid = source.bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = Lines::of(&String::from_utf8_lossy(valid)).line(usize::MAX);
                return self.tell(&file, line, "not UTF-8");
            }
        };
        let faults = faults(text, compiler);
        let lines = Lines::of(text);
        let rules = Parts::of(text);
        let bad_at = |range: &Range<usize>| faults.iter().any(|fault| range.contains(&fault.at));
        let broken: Vec<bool> = rules.all.iter().map(|part| bad_at(&part.range)).collect();
        for fault in &faults {
            self.tell(&file, lines.line(fault.at), &fault.says);
        }
        let global = rules.all.iter().zip(&broken).find(|(part, is)| part.is_global && **is);
        if let Some((part, _)) = global {
            let says = format!(
                "no rule of this file is taken, since `{}` is global and does not compile",
                part.name
            );
            return self.tell(&file, lines.line(part.range.start), &says);
        }
        for (index, part) in rules.all.iter().enumerate() {
            let is_broken = broken.get(index).copied().unwrap_or(true);
            if !is_broken && !part.is_private {
                self.rules.push(Rule {
                    name: format!("YARA.{}", part.name),
                    file: Arc::clone(&file),
                    line: lines.line(part.range.start),
                    pieces: rules.pieces(index),
                    need: rules.need(index),
                });
            }
        }
    }

    fn tell(&mut self, file: &Arc<str>, line: u32, says: &str) {
        let error = LineError::Rule(says.into());
        self.bad.push(BadLine { file: Arc::clone(file), line, error });
    }
}

/// Something that does not compile.
struct Fault {
    /// Where, in bytes from the start of the text.
    at: usize,
    says: String,
}

/// What yara-x finds wrong with a text.
fn faults(text: &str, compiler: &mut yara_x::Compiler<'_>) -> Vec<Fault> {
    let before = compiler.errors().len();
    // What is wrong is kept by the compiler; the result is the first of it.
    let _ = compiler.add_source(SourceCode::from(text));
    let fault = |error: &yara_x::errors::CompileError| {
        let mut labels = error.labels();
        let first = labels.next();
        let at = first.as_ref().map_or(0, |label| label.span().start());
        let more = first.map(|label| label.text().to_owned()).unwrap_or_default();
        let says = [error.title(), &more].into_iter().filter(|part| !part.is_empty());
        Fault { at, says: says.collect::<Vec<&str>>().join(": ") }
    };
    compiler.errors().iter().skip(before).map(fault).collect()
}

/// The rules of a file.
struct Parts {
    /// Its imports, as one piece.
    imports: Option<Arc<str>>,
    all: Vec<PartOf>,
}

struct PartOf {
    name: String,
    /// Where its text stands in the file.
    range: Range<usize>,
    text: Arc<str>,
    is_global: bool,
    is_private: bool,
    need: Need,
    /// Rules before it that it names, by their places.
    names: BTreeSet<usize>,
}

impl Parts {
    fn of(text: &str) -> Self {
        let Ok(cst) = CST::try_from(Parser::new(text.as_bytes())) else {
            return Self { imports: None, all: Vec::new() };
        };
        let ranges = declarations(&cst);
        let ast = AST::from(CSTStream::new(text.as_bytes(), cst.iter()));
        let mut parts = Self { imports: None, all: Vec::new() };
        let (mut imports, mut needs) = (String::new(), Needs::default());
        let mut places = BTreeMap::new();
        for item in ast.items() {
            match item {
                Item::Import(import) => {
                    imports.push_str(&format!("import \"{}\"\n", import.module_name));
                }
                Item::Include(_) => {}
                Item::Rule(rule) => {
                    let need = needs.of(rule);
                    let at = rule.identifier.span().start();
                    let Some(range) = ranges.iter().find(|range| range.contains(&at)) else {
                        continue;
                    };
                    let name = rule.identifier.name.to_owned();
                    let names = named(&rule.condition, &places);
                    // The first of a name counts; another does not compile.
                    places.entry(name.clone()).or_insert(parts.all.len());
                    parts.all.push(PartOf {
                        name,
                        range: range.clone(),
                        text: format!("{}\n", text.get(range.clone()).unwrap_or_default()).into(),
                        is_global: rule.flags.contains(RuleFlags::Global),
                        is_private: rule.flags.contains(RuleFlags::Private),
                        need,
                        names,
                    });
                }
            }
        }
        parts.imports = (!imports.is_empty()).then(|| imports.into());
        parts
    }

    /// All that a rule needs to be compiled, in the order of the file: global rules hold for each of
    /// its rules.
    fn pieces(&self, index: usize) -> Vec<Arc<str>> {
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        let mut waiting: Vec<usize> = self.globals().chain([index]).collect();
        while let Some(next) = waiting.pop() {
            if wanted.insert(next) {
                waiting.extend(self.all.get(next).into_iter().flat_map(|part| &part.names));
            }
        }
        let texts = wanted.into_iter().filter_map(|at| self.all.get(at));
        self.imports.iter().cloned().chain(texts.map(|part| Arc::clone(&part.text))).collect()
    }

    fn need(&self, index: usize) -> Need {
        let all = self.globals().chain([index]).filter_map(|at| self.all.get(at));
        Need::All(all.map(|part| part.need.clone()).collect()).simplified()
    }

    fn globals(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.all).filter(|(_, part)| part.is_global).map(|(at, _)| at)
    }
}

/// Where rules stand, the broken among them.
fn declarations(cst: &CST) -> Vec<Range<usize>> {
    let nodes = cst.root().children();
    let rules = nodes.filter(|node| node.kind() == SyntaxKind::RULE_DECL);
    rules.map(|node| node.span().range()).collect()
}

/// The rules that a condition names, by their places.
fn named(condition: &Expr<'_>, places: &BTreeMap<String, usize>) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    for event in DFSIter::new(condition) {
        // A variable of the same name makes a piece too many, which does no harm.
        if let DFSEvent::Enter(Expr::Ident(ident)) = event {
            named.extend(places.get(ident.name));
        }
    }
    named
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a place, from 1.
    fn line(&self, at: usize) -> u32 {
        let before = self.0.partition_point(|end| *end < at);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}
