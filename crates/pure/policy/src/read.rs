//! From the text of a policy to a [`Policy`], or to what is wrong with it.

mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::value::Datetime;
use watchglass_events::Digest;
use watchglass_evidence::PublicKey;

use crate::check_names::CHECKS;
use crate::moment::Moment;
use crate::policy::{
    Allow, Deny, Evidence, MAX_AGE_SECONDS, Policy, Quorum, Revocation, Revoked, Subject,
};
use crate::problem::{Problem, Problems, meant, parse_toml, quoted};
use raw::{RawAllow, RawAssayers, RawDeny, RawOverruled, RawPolicy, RawRevoked};

impl Policy {
    /// Reads a policy. `docs/policy.md` is its reference.
    ///
    /// # Errors
    /// What is no TOML, an unknown key or a value of another type is told alone; any other mistakes are
    /// told together, at most a hundred.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let (raw, text): (RawPolicy, &str) = parse_toml(bytes)?;
        let mut reading = Reading::new(&raw);
        let policy = reading.policy(&raw, Digest::of(bytes));
        reading.problems.finish(policy, text)
    }
}

/// What was found on the way, with the names that rules may use.
struct Reading {
    problems: Problems,
    classes: BTreeMap<String, String>,
    assayers: BTreeMap<String, Vec<PublicKey>>,
}

impl Reading {
    fn new(raw: &RawPolicy) -> Self {
        let mut reading = Self {
            problems: Problems::default(),
            classes: BTreeMap::new(),
            assayers: BTreeMap::new(),
        };
        reading.check_sizes(raw);
        for (name, class) in raw.class.iter().take(MAX_NAMES) {
            reading.check_name(name);
            let title = reading.words(&class.title);
            reading.classes.insert(name.get_ref().clone(), title);
        }
        let mut seen = BTreeSet::new();
        for (name, assayer) in raw.assayer.iter().take(MAX_NAMES) {
            reading.check_name(name);
            let keys = assayer.keys.iter().filter_map(|key| reading.key(key)).collect::<Vec<_>>();
            for (key, text) in keys.iter().zip(&assayer.keys) {
                // A key with two owners would count for both.
                if !seen.insert(key.to_bytes()) {
                    reading.problems.add(&text.span(), format!("the key {key} is there twice"));
                }
            }
            reading.assayers.insert(name.get_ref().clone(), keys);
        }
        reading
    }

    fn check_sizes(&mut self, raw: &RawPolicy) {
        let counts = [
            ("class", raw.class.len(), MAX_NAMES),
            ("assayer", raw.assayer.len(), MAX_NAMES),
            ("revoked", raw.revoked.len(), MAX_RULES),
            ("overruled", raw.overruled.len(), MAX_RULES),
            ("deny", raw.deny.len(), MAX_RULES),
            ("allow", raw.allow.len(), MAX_RULES),
        ];
        for (what, count, limit) in counts.into_iter().filter(|(_, count, limit)| count > limit) {
            self.problems.add(&(0..0), format!("`{what}` has {count} entries, limit {limit}"));
        }
    }

    fn policy(&mut self, raw: &RawPolicy, digest: Digest) -> Policy {
        if *raw.schema.get_ref() != 1 {
            self.problems.add(&raw.schema.span(), "`schema` is to be 1, the only version so far");
        }
        if raw.class.is_empty() {
            self.problems.add(&(0..0), "a policy has at least one class: `[class.NAME]`");
        }
        let issued = self.first(Some(&raw.issued)).unwrap_or(Moment::from_unix(0));
        Policy {
            name: self.words(&raw.name),
            digest,
            issued,
            until: self.last(raw.until.as_ref()),
            revoked: raw
                .revoked
                .iter()
                .take(MAX_RULES)
                .filter_map(|one| self.revoked(one))
                .collect(),
            overruled: raw
                .overruled
                .iter()
                .take(MAX_RULES)
                .filter_map(|one| self.overruled(one))
                .collect(),
            denials: raw.deny.iter().take(MAX_RULES).map(|one| self.deny(one)).collect(),
            allowances: raw
                .allow
                .iter()
                .take(MAX_RULES)
                .filter_map(|one| self.allow(one))
                .collect(),
            classes: self.classes.clone(),
            assayers: self.assayers.clone(),
        }
    }

    fn revoked(&mut self, raw: &Spanned<RawRevoked>) -> Option<Revocation> {
        let one = raw.get_ref();
        let reason = self.words(&one.reason);
        let what = match (&one.verdict, &one.key, &one.build, &one.product_file) {
            (Some(verdict), None, None, None) => Revoked::Verdict(self.digest(verdict)?),
            (None, Some(key), None, None) => Revoked::Key(self.key(key)?),
            (None, None, Some(build), None) => Revoked::Build(self.digest(build)?),
            (None, None, None, Some(file)) => Revoked::ProductFile(self.digest(file)?),
            _ => {
                let says = "`[[revoked]]` has one of `verdict`, `key`, `build`, `product_file`";
                self.problems.add(&raw.span(), says);
                return None;
            }
        };
        Some(Revocation { what, reason })
    }

    fn overruled(&mut self, raw: &RawOverruled) -> Option<(Digest, String)> {
        let reason = self.words(&raw.reason);
        Some((self.digest(&raw.verdict)?, reason))
    }

    fn deny(&mut self, raw: &RawDeny) -> Deny {
        Deny {
            classes: raw.class.as_ref().map(|names| self.known_classes(names)).unwrap_or_default(),
            subject: self.subject(raw.product.as_ref(), raw.vendor.as_ref()),
            jurisdictions: self.countries(raw.jurisdiction.as_ref()),
            spares_installed_before: self.first(raw.spares_installed_before.as_ref()),
            until: self.last(raw.until.as_ref()),
            reason: self.words(&raw.reason),
        }
    }

    fn allow(&mut self, raw: &Spanned<RawAllow>) -> Option<Allow> {
        let (rule, span) = (raw.get_ref(), raw.span());
        let evidence = self.evidence(rule, &span);
        Some(Allow {
            classes: self.known_classes(&rule.class),
            subject: self.subject(rule.product.as_ref(), rule.vendor.as_ref()),
            jurisdictions: self.countries(rule.jurisdiction.as_ref()),
            jurisdictions_refused: self.countries(rule.jurisdiction_other_than.as_ref()),
            installed_before: self.first(rule.installed_before.as_ref()),
            until: self.last(rule.until.as_ref()),
            evidence: evidence?,
            reason: self.words(&rule.reason),
        })
    }

    /// That a rule asks for no verdict has to be said, so that a forgotten line does not say it.
    fn evidence(&mut self, raw: &RawAllow, span: &Range<usize>) -> Option<Evidence> {
        let asks_more =
            raw.required_checks.is_some() || raw.maximum_age.is_some() || raw.build.is_some();
        match (raw.without_verdict, &raw.minimum_grade, &raw.assayers) {
            (Some(true), None, None) if !asks_more => Some(Evidence::None),
            (None | Some(false), Some(grade), Some(assayers)) => {
                self.quorum(raw, grade, assayers).map(Evidence::Verdicts)
            }
            _ => {
                let says = "`[[allow]]` has either `minimum_grade` and `assayers`, or \
                            `without_verdict = true` and none of what verdicts must say";
                self.problems.add(span, says);
                None
            }
        }
    }

    fn quorum(
        &mut self,
        raw: &RawAllow,
        grade: &Spanned<u64>,
        assayers: &Spanned<RawAssayers>,
    ) -> Option<Quorum> {
        let minimum_grade = u8::try_from(*grade.get_ref()).ok().filter(|grade| *grade <= 3);
        if minimum_grade.is_none() {
            self.problems.add(&grade.span(), "`minimum_grade` is 0, 1, 2 or 3");
        }
        let of = self.known_assayers(&assayers.get_ref().of);
        let at_least = usize::try_from(assayers.get_ref().at_least).unwrap_or(usize::MAX);
        if !(1..=of.len()).contains(&at_least) {
            let says =
                format!("`at_least` is a number from 1 to the {} assayers of the list", of.len());
            self.problems.add(&assayers.span(), says);
        }
        let build_stated = raw.build.as_ref().is_some_and(|build| {
            if build.get_ref() != "stated" {
                self.problems.add(&build.span(), "`build` can be \"stated\" only");
            }
            true
        });
        // All of it is looked at before anything is given up.
        let required = raw.required_checks.as_deref().unwrap_or_default();
        let (required_checks, maximum_age_seconds) =
            (self.known_checks(required), self.age(raw.maximum_age.as_ref()));
        Some(Quorum {
            minimum_grade: minimum_grade?,
            required_checks,
            at_least,
            of,
            maximum_age_seconds,
            build_stated,
        })
    }

    fn subject(
        &mut self,
        product: Option<&Spanned<String>>,
        vendor: Option<&Spanned<String>>,
    ) -> Subject {
        Subject {
            product: product.map(|text| self.words(text)),
            vendor: vendor.map(|text| self.words(text)),
        }
    }

    fn known_classes(&mut self, names: &Spanned<Vec<Spanned<String>>>) -> BTreeSet<String> {
        if names.get_ref().is_empty() {
            self.problems.add(&names.span(), "`class` names at least one class");
        }
        let classes = self.classes.keys().cloned().collect::<Vec<_>>();
        self.known("class", names.get_ref(), &classes)
    }

    fn known_assayers(&mut self, names: &[Spanned<String>]) -> BTreeSet<String> {
        let assayers = self.assayers.keys().cloned().collect::<Vec<_>>();
        self.known("assayer", names, &assayers)
    }

    fn known_checks(&mut self, names: &[Spanned<String>]) -> BTreeSet<String> {
        let checks = CHECKS.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        self.known("check", names, &checks)
    }

    fn known(
        &mut self,
        what: &str,
        names: &[Spanned<String>],
        possible: &[String],
    ) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for name in names {
            let text = name.get_ref();
            if !possible.contains(text) {
                let help = meant(text, possible.iter().map(String::as_str));
                self.problems.add(&name.span(), format!("no {what} {}: {help}", quoted(text)));
            } else if !known.insert(text.clone()) {
                self.problems
                    .add(&name.span(), format!("the {what} {} is there twice", quoted(text)));
            }
        }
        known
    }

    fn countries(&mut self, list: Option<&Spanned<Vec<Spanned<String>>>>) -> BTreeSet<String> {
        let Some(list) = list else { return BTreeSet::new() };
        // An empty list would mean any country, as if nothing had been said.
        if list.get_ref().is_empty() {
            self.problems.add(&list.span(), "a list of countries names at least one");
        }
        for country in list.get_ref() {
            let text = country.get_ref();
            if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
                let says =
                    format!("{} is no country: two capital letters of ISO 3166-1", quoted(text));
                self.problems.add(&country.span(), says);
            }
        }
        list.get_ref().iter().map(|country| country.get_ref().clone()).collect()
    }

    fn age(&mut self, text: Option<&Spanned<String>>) -> u64 {
        let Some(text) = text else { return MAX_AGE_SECONDS };
        let seconds =
            age_in_seconds(text.get_ref()).filter(|age| (1..=MAX_AGE_SECONDS).contains(age));
        seconds.unwrap_or_else(|| {
            let says = "`maximum_age` is a number of hours or days, `36h` or `30d`, of at most 90d";
            self.problems.add(&text.span(), says);
            0
        })
    }

    fn first(&mut self, date: Option<&Spanned<Datetime>>) -> Option<Moment> {
        self.moment(date, Moment::first)
    }

    fn last(&mut self, date: Option<&Spanned<Datetime>>) -> Option<Moment> {
        self.moment(date, Moment::last)
    }

    fn moment(
        &mut self,
        date: Option<&Spanned<Datetime>>,
        of: impl Fn(&Datetime) -> Option<Moment>,
    ) -> Option<Moment> {
        let date = date?;
        let moment = of(date.get_ref());
        if moment.is_none() {
            self.problems.add(&date.span(), crate::MomentError.to_string());
        }
        moment
    }

    fn digest(&mut self, text: &Spanned<String>) -> Option<Digest> {
        let digest = Digest::parse(text.get_ref());
        if digest.is_none() {
            self.problems.add(&text.span(), "a SHA-256 is 64 lower-case hexadecimal digits");
        }
        digest
    }

    fn key(&mut self, text: &Spanned<String>) -> Option<PublicKey> {
        let key = PublicKey::parse(text.get_ref());
        if key.is_none() {
            self.problems.add(&text.span(), "a key is 64 lower-case hexadecimal digits");
        }
        key
    }

    fn words(&mut self, text: &Spanned<String>) -> String {
        let words = text.get_ref();
        let fitting = !words.trim().is_empty() && !words.chars().any(char::is_control);
        if !fitting || words.len() > MAX_WORDS_BYTES {
            self.problems.add(&text.span(), format!("one line of 1 to {MAX_WORDS_BYTES} bytes"));
        }
        words.clone()
    }

    fn check_name(&mut self, name: &Spanned<String>) {
        let text = name.get_ref();
        let fitting = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.bytes().all(fitting) {
            let says = format!(
                "{} is no name: 1 to {MAX_NAME_BYTES} of `a-z`, `0-9` and `-`",
                quoted(text)
            );
            self.problems.add(&name.span(), says);
        }
    }
}

/// `36h`, `30d`.
fn age_in_seconds(text: &str) -> Option<u64> {
    let (number, each) = match text.strip_suffix('d') {
        Some(days) => (days, 86_400),
        None => (text.strip_suffix('h')?, 3_600),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(each)
}

/// Classes and assayers.
const MAX_NAMES: usize = 64;
/// Rules of one kind.
const MAX_RULES: usize = 256;
/// Words for people: a name, a title, a reason.
const MAX_WORDS_BYTES: usize = 400;
/// A name stands in commands and in facts.
const MAX_NAME_BYTES: usize = 48;
