//! What must be in a file for a rule to hold, from the boolean shape of its condition.
//!
//! Where a condition says what is not understood here, nothing is asked for: a need may be weaker than
//! its rule, never stronger. What holds of files by a module (`pe.…`) asks for the first bytes without
//! which the module knows nothing of a file.

use std::collections::BTreeMap;

use watchglass_signatures::body::{Body, Item, Part};
use watchglass_signatures::logical::Case;
use watchglass_signatures::rule::{Found, Need};
use watchglass_signatures::{Offset, Place};
use yara_x_parser::ast::{
    Expr, FuncCall, Iterable, MatchAnchor, NAryExpr, OfItems, Pattern, PatternSet, Quantifier, Rule,
};

use crate::pattern;

/// Needs of the rules of one file, in the order in which they stand there: a condition may name those
/// before.
#[derive(Debug, Default)]
pub(crate) struct Needs(BTreeMap<String, Need>);

impl Needs {
    /// What a rule needs.
    pub(crate) fn of(&mut self, rule: &Rule<'_>) -> Need {
        let patterns = rule.patterns.as_deref().unwrap_or_default();
        let reader = Reader { patterns, rules: &self.0, current: None, hidden: Vec::new() };
        let need = reader.expression(&rule.condition, MAX_DEPTH).simplified();
        // A rule that names another twice would double what it needs, and the next one again.
        let known = if weight(&need) <= MAX_NAMED { need.clone() } else { Need::Anything };
        self.0.insert(rule.identifier.name.to_owned(), known);
        need
    }
}

fn weight(need: &Need) -> usize {
    match need {
        Need::All(of) | Need::Some { of, .. } => {
            of.iter().map(weight).fold(1, usize::saturating_add)
        }
        Need::Found(found) => found.bodies.len(),
        Need::Anything | Need::Never | Need::Size { .. } => 1,
    }
}

/// Bodies and needs of a rule that others may name.
const MAX_NAMED: usize = 1024;
/// Expressions that lie in each other; deeper ones ask for nothing.
const MAX_DEPTH: u32 = 100;

struct Reader<'r, 'src> {
    patterns: &'r [Pattern<'src>],
    rules: &'r BTreeMap<String, Need>,
    /// The pattern that `$` stands for.
    current: Option<&'r Pattern<'src>>,
    /// Names of variables, which are no rules.
    hidden: Vec<&'r str>,
}

/// How two sides compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl<'r, 'src> Reader<'r, 'src> {
    fn expression(&self, expression: &'r Expr<'src>, depth: u32) -> Need {
        let Some(depth) = depth.checked_sub(1) else { return Need::Anything };
        let of = |expression| self.expression(expression, depth);
        match expression {
            Expr::False { .. } => Need::Never,
            Expr::And(all) => Need::All(all.operands().map(of).collect()),
            Expr::Or(any) => Need::Some { count: 1, of: any.operands().map(of).collect() },
            Expr::PatternMatch(found) => self.found(found.identifier.name, found.anchor.as_ref()),
            Expr::PatternCount(count) => self.found(count.identifier.name, None),
            Expr::Of(some) => {
                let of = match &some.items {
                    OfItems::PatternSet(set) => {
                        let anchor = some.anchor.as_ref();
                        self.set(set).map(|one| at(one, anchor)).collect()
                    }
                    OfItems::BoolExprTuple(all) => all.iter().map(of).collect(),
                };
                quantified(&some.quantifier, of)
            }
            Expr::ForOf(each) => {
                let of = self.set(&each.pattern_set);
                let of = of.map(|one| self.with(one).expression(&each.body, depth));
                quantified(&each.quantifier, of.collect())
            }
            Expr::ForIn(each) => {
                if !needs_one(&each.quantifier) {
                    return Need::Anything;
                }
                let iterable = match &each.iterable {
                    Iterable::Expr(of) => module_start(of),
                    Iterable::Range(_) | Iterable::ExprTuple(_) => Need::Anything,
                };
                let names = each.variables.iter().map(|variable| variable.name);
                let body = self.hiding(names).expression(&each.body, depth);
                Need::All(vec![iterable, body])
            }
            Expr::With(with) => {
                let names = with.declarations.iter().map(|one| one.identifier.name);
                self.hiding(names).expression(&with.body, depth)
            }
            Expr::Ident(name) if !self.hidden.contains(&name.name) => {
                self.rules.get(name.name).cloned().unwrap_or(Need::Anything)
            }
            Expr::FieldAccess(path) if path.operands().any(is_constant) => Need::Anything,
            Expr::FieldAccess(_) | Expr::FuncCall(_) | Expr::Lookup(_) => module_start(expression),
            Expr::Eq(two) => self.compared(&two.lhs, Relation::Equal, &two.rhs),
            Expr::Ne(two) => self.compared(&two.lhs, Relation::Unequal, &two.rhs),
            Expr::Lt(two) => self.compared(&two.lhs, Relation::Less, &two.rhs),
            Expr::Le(two) => self.compared(&two.lhs, Relation::LessOrEqual, &two.rhs),
            Expr::Gt(two) => self.compared(&two.lhs, Relation::Greater, &two.rhs),
            Expr::Ge(two) => self.compared(&two.lhs, Relation::GreaterOrEqual, &two.rhs),
            Expr::Contains(two)
            | Expr::IContains(two)
            | Expr::StartsWith(two)
            | Expr::IStartsWith(two)
            | Expr::EndsWith(two)
            | Expr::IEndsWith(two)
            | Expr::IEquals(two)
            | Expr::Matches(two) => field_start(&two.lhs),
            _ => Need::Anything,
        }
    }

    /// The same with `$` for a pattern.
    fn with(&self, current: &'r Pattern<'src>) -> Self {
        let hidden = self.hidden.clone();
        Self { patterns: self.patterns, rules: self.rules, current: Some(current), hidden }
    }

    fn hiding(&self, names: impl Iterator<Item = &'r str>) -> Self {
        let hidden = self.hidden.iter().copied().chain(names).collect();
        Self { patterns: self.patterns, rules: self.rules, current: self.current, hidden }
    }

    fn pattern(&self, name: &str) -> Option<&'r Pattern<'src>> {
        // A count is written `#a` for `$a`.
        let bare = name.trim_start_matches(['$', '#', '@', '!']);
        if bare.is_empty() {
            return self.current;
        }
        let is_it =
            |pattern: &&Pattern<'_>| pattern.identifier().name.trim_start_matches('$') == bare;
        self.patterns.iter().find(is_it)
    }

    fn found(&self, name: &str, anchor: Option<&MatchAnchor<'_>>) -> Need {
        self.pattern(name).map_or(Need::Anything, |pattern| at(pattern, anchor))
    }

    fn set(&self, set: &'r PatternSet<'src>) -> impl Iterator<Item = &'r Pattern<'src>> {
        self.patterns.iter().filter(move |pattern| match set {
            PatternSet::Them { .. } => true,
            PatternSet::Set(items) => items.iter().any(|item| item.matches(pattern.identifier())),
        })
    }

    fn compared(&self, left: &Expr<'src>, relation: Relation, right: &Expr<'src>) -> Need {
        let (left, relation, right) = match (integer(left), integer(right)) {
            (Some(_), None) => (right, relation.turned(), left),
            _ => (left, relation, right),
        };
        let mut needs = vec![field_start(left), field_start(right)];
        needs.extend(self.places(left));
        needs.extend(self.places(right));
        if let Some(number) = integer(right) {
            needs.push(match left {
                Expr::Filesize { .. } => size(relation, number),
                Expr::PatternCount(count) if relation.needs_one(number) => {
                    self.found(count.identifier.name, None)
                }
                Expr::FuncCall(call) if relation == Relation::Equal => bytes_at(call, number),
                _ => Need::Anything,
            });
        }
        // A name of a digest or the like is of a file that the module knows.
        if relation == Relation::Equal && matches!(right, Expr::LiteralString(_)) {
            needs.push(module_start(left));
        }
        Need::All(needs)
    }

    /// Where something is that was not found has no value, and nothing compares to that.
    fn places(&self, side: &Expr<'_>) -> Vec<Need> {
        match side {
            Expr::PatternOffset(place) | Expr::PatternLength(place) => {
                vec![self.found(place.identifier.name, None)]
            }
            Expr::Add(of) | Expr::Sub(of) => {
                of.operands().flat_map(|operand| self.places(operand)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn at(pattern: &Pattern<'_>, anchor: Option<&MatchAnchor<'_>>) -> Need {
    let place = match anchor {
        Some(MatchAnchor::At(at)) => integer(&at.expr).and_then(|at| u32::try_from(at).ok()),
        Some(MatchAnchor::In(_)) | None => None,
    };
    let offset = place.map_or(Offset::Any, start);
    pattern::need(pattern, offset)
}

fn start(place: u32) -> Offset {
    Offset::At { place: Place::Start(place), max_shift: 0 }
}

fn quantified(quantifier: &Quantifier<'_>, of: Vec<Need>) -> Need {
    match quantifier {
        Quantifier::None { .. } => Need::Anything,
        Quantifier::All { .. } => Need::All(of),
        Quantifier::Any { .. } => Need::Some { count: 1, of },
        Quantifier::Percentage(percentage) => {
            let all = u64::try_from(of.len()).unwrap_or(u64::MAX);
            let percentage = integer(percentage).and_then(|of| u64::try_from(of).ok());
            // Rounded down: that asks for less.
            let count = percentage.map_or(0, |of| of.saturating_mul(all) / 100);
            Need::Some { count: u32::try_from(count).unwrap_or(0), of }
        }
        Quantifier::Expr(count) => {
            let count = integer(count).and_then(|count| u32::try_from(count).ok());
            Need::Some { count: count.unwrap_or(0), of }
        }
    }
}

/// Whether a body must hold for one thing at least. Of no things it holds for all.
fn needs_one(quantifier: &Quantifier<'_>) -> bool {
    match quantifier {
        Quantifier::Any { .. } => true,
        Quantifier::Expr(count) => integer(count).is_some_and(|count| count > 0),
        Quantifier::None { .. } | Quantifier::All { .. } | Quantifier::Percentage(_) => false,
    }
}

fn integer(expression: &Expr<'_>) -> Option<i64> {
    match expression {
        Expr::LiteralInteger(number) if !number.is_unsigned => Some(number.value),
        _ => None,
    }
}

impl Relation {
    /// With its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// Whether a count that compares so to a number is not 0.
    fn needs_one(self, number: i64) -> bool {
        match self {
            Self::Equal | Self::GreaterOrEqual => number > 0,
            Self::Greater => number >= 0,
            Self::Unequal => number == 0,
            Self::Less | Self::LessOrEqual => false,
        }
    }
}

fn size(relation: Relation, number: i64) -> Need {
    let Ok(number) = u64::try_from(number) else { return Need::Anything };
    let (min, max) = match relation {
        Relation::Equal => (number, number),
        Relation::Unequal => (0, u64::MAX),
        Relation::Less => match number.checked_sub(1) {
            Some(most) => (0, most),
            None => return Need::Never,
        },
        Relation::LessOrEqual => (0, number),
        Relation::Greater => (number.saturating_add(1), u64::MAX),
        Relation::GreaterOrEqual => (number, u64::MAX),
    };
    Need::Size { min, max }
}

/// `uint16(0) == 0x5a4d` and the like: bytes at a place.
fn bytes_at(call: &FuncCall<'_>, number: i64) -> Need {
    let [place] = &call.args[..] else { return Need::Anything };
    let place = integer(place).and_then(|place| u32::try_from(place).ok());
    let (Some(place), None) = (place, &call.object) else { return Need::Anything };
    let name = call.identifier.name;
    let (name, is_big) = name.strip_suffix("be").map_or((name, false), |name| (name, true));
    let (length, is_signed) = match name {
        "uint8" => (1, false),
        "uint16" => (2, false),
        "uint32" => (4, false),
        "int8" => (1, true),
        "int16" => (2, true),
        "int32" => (4, true),
        _ => return Need::Anything,
    };
    let range = match (length, is_signed) {
        (1, false) => 0..=i64::from(u8::MAX),
        (2, false) => 0..=i64::from(u16::MAX),
        (_, false) => 0..=i64::from(u32::MAX),
        (1, true) => i64::from(i8::MIN)..=i64::from(i8::MAX),
        (2, true) => i64::from(i16::MIN)..=i64::from(i16::MAX),
        (_, true) => i64::from(i32::MIN)..=i64::from(i32::MAX),
    };
    if !range.contains(&number) {
        return Need::Never;
    }
    let bytes = number.to_le_bytes();
    let mut bytes = bytes.get(..length).unwrap_or_default().to_vec();
    if is_big {
        bytes.reverse();
    }
    one_of_at(start(place), &[&bytes])
}

/// What a value of a module that is true needs: a file whose beginning the module knows.
fn module_start(expression: &Expr<'_>) -> Need {
    root(expression).map_or(Need::Anything, start_of_module)
}

/// The same of a field that is compared. Constants have a value for every file, and so have the fields
/// that say whether a file is of the module's kind.
fn field_start(expression: &Expr<'_>) -> Need {
    match expression {
        Expr::Lookup(lookup) => field_start(&lookup.primary),
        Expr::FieldAccess(path) if !has_a_value(path) => module_start(expression),
        _ => Need::Anything,
    }
}

fn has_a_value(path: &NAryExpr<'_>) -> bool {
    path.operands().any(|part| match part {
        Expr::Ident(name) => name.name.starts_with("is_") || is_constant(part),
        Expr::FuncCall(_) => true,
        _ => false,
    })
}

fn is_constant(part: &Expr<'_>) -> bool {
    matches!(part, Expr::Ident(name) if name.name.chars().any(char::is_uppercase))
}

/// The name that an expression begins with.
fn root<'e>(expression: &'e Expr<'_>) -> Option<&'e str> {
    match expression {
        Expr::Ident(name) => Some(name.name),
        Expr::FieldAccess(path) => path.operands().next().and_then(root),
        Expr::Lookup(lookup) => root(&lookup.primary),
        Expr::FuncCall(call) => call.object.as_ref().and_then(root),
        _ => None,
    }
}

fn start_of_module(name: &str) -> Need {
    let starts: &[&[u8]] = match name {
        "pe" | "dotnet" => &[b"MZ"],
        "elf" => &[b"\x7fELF"],
        "lnk" => &[b"L\0\0\0"],
        _ => return Need::Anything,
    };
    one_of_at(start(0), starts)
}

fn one_of_at(offset: Offset, all: &[&[u8]]) -> Need {
    let body = |bytes: &&[u8]| {
        let items = vec![Item::Bytes((*bytes).into())];
        let head = Part { before: None, left: None, items, right: None, after: None };
        Body { head, tail: Vec::new() }
    };
    Need::Found(Found { offset, case: Case::Exact, bodies: all.iter().map(body).collect() })
}
