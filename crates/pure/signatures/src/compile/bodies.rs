//! From signatures that are more than a digest to what the database holds of them.

use std::collections::{BTreeMap, HashMap};

use watchglass_database::anchors::NewAnchor;
use watchglass_database::body::BodyCode;
use watchglass_database::condition::ConditionsCode;
use watchglass_database::signature::{SignatureCode, SubsignatureCode};
use watchglass_database::{BuildError, Builder, NewRule, NewSignature};

use super::encode::{self, EncodedBody};
use super::rules;
use super::trigger::{self, Announced, Notice};
use super::window::Window;
use crate::extended::BodySignature;
use crate::logical::{Case, Logic, LogicalSignature, Macro, Subsignature};
use crate::offset::{Offset, Place};
use crate::rule::Rule;
use crate::target::Target;

/// Signatures that wait for each other: a macro for the bodies of its group, anchors for all others'.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    coded: Vec<Coded>,
    /// Bodies that macros ask for, by target and group.
    groups: BTreeMap<(Target, u8), Vec<BodyCode>>,
    /// Signatures with macros, which are coded when all groups are known.
    with_macros: Vec<(String, LogicalSignature)>,
    /// Whether one for texts counts from the end of its form.
    counts_from_ends: bool,
}

/// Why a signature is not compiled, though it could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCompiled(pub(super) &'static str);

#[derive(Debug)]
struct Coded {
    name: String,
    target: Target,
    code: SignatureCode,
    /// What announces it: one of these.
    trigger: Vec<Announcement>,
    /// A rule that is run where it holds.
    rule: Option<NewRule>,
}

/// How a rule is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    /// By something in the file.
    Anchor,
    /// By the first bytes of the file alone.
    Head,
    /// Not at all: it is run on every file.
    Never,
}

/// An expression over sub-signatures.
struct Expression<'e> {
    /// The signature is noticed by this; without it, never.
    noticed: Option<&'e Logic>,
    /// This is evaluated once it was.
    evaluated: &'e Logic,
    subsignatures: &'e [Subsignature],
    /// What the start of a file weighs, if not the usual.
    start_weight: Option<u64>,
}

impl Coded {
    fn noticed(&self) -> Noticed {
        let is_head = |one: &Announcement| matches!(one.notice, Notice::Head(_));
        match &self.trigger[..] {
            [] => Noticed::Never,
            all if all.iter().all(is_head) => Noticed::Head,
            _ => Noticed::Anchor,
        }
    }
}

/// A body that announces a signature.
#[derive(Debug)]
struct Announcement {
    /// The place in the signature's code of each part of the body.
    parts: Vec<u32>,
    notice: Notice,
}

impl Bodies {
    /// Adds a body under the name that is reported.
    pub(super) fn add_body(&mut self, name: String, signature: &BodySignature) {
        let EncodedBody { code: body, parts } = encode::body(&signature.body, Case::Exact);
        let target = signature.target;
        self.counts_from_ends |= counts_from_end(target, signature.offset);
        let Some(offset) = encode::offset(signature.offset) else {
            if let Offset::At { place: Place::Macro(group), .. } = signature.offset {
                self.groups.entry((target, group)).or_default().push(body);
            }
            return;
        };
        let (code, place) = SignatureCode::body(offset, &body);
        let notice = Notice::of(&signature.body, Case::Exact, signature.offset);
        let trigger = notice.map(|notice| Announcement::new(notice, &parts, place));
        let trigger = trigger.into_iter().collect();
        self.coded.push(Coded { name, target, code, trigger, rule: None });
    }

    /// Adds an expression under the name that is reported.
    pub(super) fn add_logical(
        &mut self,
        name: String,
        signature: &LogicalSignature,
    ) -> Result<(), NotCompiled> {
        let target = signature.description.target;
        self.counts_from_ends |= signature.subsignatures.iter().any(|of| {
            matches!(of, Subsignature::Content(content) if counts_from_end(target, content.offset))
        });
        let has = |of: fn(&Subsignature) -> bool| signature.subsignatures.iter().any(of);
        if has(|of| matches!(of, Subsignature::FuzzyImage(_))) {
            return Err(NotCompiled("logical signatures with fuzzy image hashes"));
        }
        if has(|of| matches!(of, Subsignature::Regex(regex) if !encode::is_regex(regex))) {
            return Err(NotCompiled("logical signatures with regular expressions beyond ours"));
        }
        if has(|of| matches!(of, Subsignature::Macro(_))) {
            self.with_macros.push((name, signature.clone()));
        } else {
            self.coded.push(self.logical(name, signature));
        }
        Ok(())
    }

    fn logical(&self, name: String, signature: &LogicalSignature) -> Coded {
        let conditions = encode::conditions(&signature.description);
        let logic = &signature.logic;
        let (noticed, evaluated) = (Some(logic), logic);
        let expression = Expression {
            noticed,
            evaluated,
            subsignatures: &signature.subsignatures,
            start_weight: None,
        };
        self.coded(name, signature.description.target, &conditions, &expression)
    }

    /// Adds a rule under the name that is reported. How it is noticed; nothing where it never holds.
    pub(super) fn add_rule(&mut self, name: String, rule: &Rule) -> Option<Noticed> {
        let lowered = rules::lower(rule.need.clone())?;
        let mut conditions = ConditionsCode::default();
        if let Some((min, max)) = lowered.size {
            conditions.push_file_size(min, max);
        }
        conditions.push_rule();
        let expression = Expression {
            noticed: lowered.noticed.as_ref(),
            evaluated: &lowered.evaluated,
            subsignatures: &lowered.subsignatures,
            start_weight: Some(trigger::RULE_START_WEIGHT),
        };
        let mut coded = self.coded(name, Target::Generic, &conditions, &expression);
        let noticed = coded.noticed();
        // Nothing more is asked than what notices it: where one such rule is run, the others are.
        let together = noticed != Noticed::Anchor && lowered.subsignatures.len() <= 2;
        coded.rule = Some(NewRule { pieces: rule.pieces.clone(), together });
        self.coded.push(coded);
        Some(noticed)
    }

    fn coded(
        &self,
        name: String,
        target: Target,
        conditions: &ConditionsCode,
        expression: &Expression<'_>,
    ) -> Coded {
        let subsignatures = expression.subsignatures;
        let (mut codes, mut bodies) = (Vec::new(), Vec::new());
        for subsignature in subsignatures {
            let (code, encoded) = self.subsignature(subsignature, target);
            codes.push(code);
            bodies.push(encoded);
        }
        let announced = |one| announced(one, expression.start_weight);
        let announced: Vec<_> = subsignatures.iter().map(announced).collect();
        let logic = trigger::cheapest_first(expression.evaluated, subsignatures, &announced);
        let logic = encode::logic(&logic);
        let (code, places) = SignatureCode::logical(conditions.as_bytes(), &logic, &codes);
        let of = |logic| trigger::of(logic, subsignatures, &announced);
        let chosen = expression.noticed.and_then(of);
        let mut trigger = Vec::new();
        for (index, (notices, (bodies, place))) in
            (0_u32..).zip(announced.into_iter().zip(bodies.into_iter().zip(places)))
        {
            let is_chosen = |bits: u64| bits.checked_shr(index).is_some_and(|bits| bits & 1 != 0);
            if chosen.is_some_and(|chosen| is_chosen(chosen.subsignatures)) {
                let notices = notices.map(|announced| announced.notices).unwrap_or_default();
                let all = notices.into_iter().zip(bodies);
                trigger.extend(all.map(|(notice, (parts, body))| {
                    Announcement::new(notice, &parts, place.saturating_add(body))
                }));
            }
        }
        Coded { name, target, code, trigger, rule: None }
    }

    /// A sub-signature, and of each of its bodies the places of the parts in it and its own place.
    fn subsignature(
        &self,
        subsignature: &Subsignature,
        target: Target,
    ) -> (SubsignatureCode, Vec<(Vec<u32>, u32)>) {
        let nothing = || SubsignatureCode::near(1, 0, &[]);
        let code = match subsignature {
            Subsignature::Content(content) => {
                let all: Vec<_> =
                    content.bodies.iter().map(|body| encode::body(body, content.case)).collect();
                let codes: Vec<_> = all.iter().map(|body| body.code.clone()).collect();
                // A macro's group is no place of a sub-signature, and nothing is found there.
                let Some(offset) = encode::offset(content.offset) else {
                    return (nothing(), Vec::new());
                };
                let (code, places) = SubsignatureCode::content(offset, &codes);
                return (code, all.into_iter().map(|body| body.parts).zip(places).collect());
            }
            Subsignature::Regex(regex) => encode::regex(regex).unwrap_or_else(nothing),
            Subsignature::ByteCompare(compare) => encode::byte_compare(compare),
            Subsignature::Macro(Macro { min, max, group }) => {
                let bodies = self.groups.get(&(target, *group)).map_or(&[][..], Vec::as_slice);
                SubsignatureCode::near(*min, *max, bodies)
            }
            Subsignature::FuzzyImage(_) => nothing(),
        };
        (code, Vec::new())
    }

    /// Chooses anchors and hands everything over. Returns how many signatures have none, and the
    /// names that were not taken.
    pub(super) fn finish(mut self, builder: &mut Builder) -> (u64, Vec<BuildError>) {
        let waiting = std::mem::take(&mut self.with_macros);
        for (name, signature) in waiting {
            let coded = self.logical(name, &signature);
            self.coded.push(coded);
        }
        // Anchors depend on those chosen before: the order must be that of the signatures.
        self.coded.sort_by(|one, other| {
            let key = |coded: &'_ Coded| (coded.target, coded.code.clone(), coded.rule.clone());
            one.name.cmp(&other.name).then_with(|| key(one).cmp(&key(other)))
        });
        let (mut used, mut unannounced, mut errors) = (HashMap::new(), 0_u64, Vec::new());
        if self.counts_from_ends {
            errors.extend(builder.ask_for_sizes_of_forms().err());
        }
        for Coded { name, target, code, trigger, rule } in self.coded {
            let (anchors, heads) = announcements(&trigger, &mut used);
            let is_unannounced = anchors.is_empty() && heads.is_empty();
            // Rules are told apart.
            let is_unannounced = is_unannounced && rule.is_none();
            unannounced = unannounced.saturating_add(is_unannounced.into());
            let target = target as u8;
            let signature = NewSignature { name: &name, target, code, anchors, heads };
            let added = match rule {
                Some(rule) => builder.add_rule(signature, rule),
                None => builder.add_signature(signature),
            };
            errors.extend(added.err());
        }
        (unannounced, errors)
    }
}

/// Whether ClamAV must know the size of a text's form for a signature: once there is one, it takes that
/// for the file's size in all of them.
fn counts_from_end(target: Target, offset: Offset) -> bool {
    target == Target::Ascii && matches!(offset, Offset::At { place: Place::End(_), .. })
}

/// What announces a sub-signature of bytes; `None` where it is none or nothing announces one of its
/// bodies.
fn announced(subsignature: &Subsignature, start_weight: Option<u64>) -> Option<Announced> {
    let Subsignature::Content(content) = subsignature else {
        return None;
    };
    Announced::of(content, start_weight)
}

impl Announcement {
    /// `body` is where the body begins in the signature.
    fn new(notice: Notice, parts: &[u32], body: u32) -> Self {
        Self { parts: parts.iter().map(|part| part.saturating_add(body)).collect(), notice }
    }
}

/// One window of each announcement: a rare one, and of rare ones one that few others have.
fn announcements(
    trigger: &[Announcement],
    used: &mut HashMap<[u8; 4], u64>,
) -> (Vec<NewAnchor>, Vec<[u8; 2]>) {
    let (mut anchors, mut heads) = (Vec::new(), Vec::new());
    for Announcement { parts, notice } in trigger {
        let windows = match notice {
            Notice::Window(windows) => windows,
            Notice::Head(of) => {
                heads.extend_from_slice(of);
                continue;
            }
        };
        let load = |window: &&Window| {
            let others = window.grams.iter().map(|gram| used.get(gram).copied().unwrap_or(0));
            others.max().unwrap_or(0).saturating_add(1).saturating_mul(window.weight)
        };
        let Some(window) = windows.iter().min_by_key(load) else {
            continue;
        };
        let part = window.before.and_then(|before| Some((*parts.get(window.part)?, before)));
        for gram in &window.grams {
            let count = used.entry(*gram).or_default();
            *count = count.saturating_add(1);
            anchors.push(NewAnchor { gram: *gram, part });
        }
    }
    anchors.sort_unstable();
    anchors.dedup();
    heads.sort_unstable();
    heads.dedup();
    (anchors, heads)
}
