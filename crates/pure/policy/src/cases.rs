//! Cases: what a policy is to decide, written down beside it and tried on supposed verdicts.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;
use watchglass_checks::results::State;
use watchglass_claims::Identity;
use watchglass_events::Digest;
use watchglass_evidence::PublicKey;

use crate::check_names::CHECKS;
use crate::decide::decide;
use crate::decision::{ClauseState, Decision, Outcome, Request, Standing};
use crate::moment::Moment;
use crate::policy::Policy;
use crate::problem::{Problem, Problems, meant, parse_toml, quoted};
use crate::verdict::{Exhibit, Supposed, Verdict};

/// A list of cases for one policy.
#[derive(Clone, Debug)]
pub struct Cases {
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The answer that is expected.
    pub expect: Outcome,
    /// A clause that is expected not to hold, by name.
    pub because: Option<String>,
    /// The rule that is expected to decide.
    pub rule: Option<String>,
    product: Identity,
    product_file: Digest,
    class: String,
    now: Option<Moment>,
    standing: Standing,
    build: Option<Digest>,
    exhibits: Vec<Exhibit>,
}

/// A case with what came out.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What the policy decides.
    pub decision: Decision,
    /// In what it differs from what was expected; `None` if in nothing.
    pub differs: Option<String>,
}

impl Cases {
    /// The policy that a list of cases is for: a path from the folder of the list.
    ///
    /// # Errors
    /// As [`Cases::parse`].
    pub fn policy_of(bytes: &[u8]) -> Result<String, Vec<Problem>> {
        let (raw, _): (RawCases, &str) = parse_toml(bytes)?;
        Ok(raw.policy)
    }

    /// Reads a list of cases. `docs/policy.md` is its reference.
    ///
    /// # Errors
    /// Mistakes of shape alone, else all others together.
    pub fn parse(bytes: &[u8], policy: &Policy) -> Result<Self, Vec<Problem>> {
        let (raw, text): (RawCases, &str) = parse_toml(bytes)?;
        let mut problems = Problems::default();
        if *raw.schema.get_ref() != 1 {
            problems.add(&raw.schema.span(), "`schema` is to be 1, the only version so far");
        }
        if raw.case.len() > MAX_CASES {
            problems.add(&(0..0), format!("{} cases, limit {MAX_CASES}", raw.case.len()));
        }
        let mut reading = Reading { raw: &raw, policy, problems };
        let cases = raw.case.iter().take(MAX_CASES).filter_map(|case| reading.case(case)).collect();
        reading.problems.finish(Self { cases }, text)
    }
}

impl Case {
    /// What is asked in this case.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            product: &self.product,
            product_file: self.product_file,
            class: &self.class,
            now: self.now,
            standing: self.standing,
            build: self.build,
        }
    }

    /// What was handed in.
    #[must_use]
    pub fn exhibits(&self) -> &[Exhibit] {
        &self.exhibits
    }

    /// Decides it and holds the answer against what is expected.
    #[must_use]
    pub fn try_on(&self, policy: &Policy) -> Tried {
        let decision = decide(policy, &self.request(), &self.exhibits);
        let differs = self.differs(&decision);
        Tried { decision, differs }
    }

    fn differs(&self, decision: &Decision) -> Option<String> {
        if decision.outcome != self.expect {
            return Some(format!("expected {}, got {}", self.expect, decision.outcome));
        }
        if self.rule.is_some() && self.rule != decision.rule {
            let name = |rule: &Option<String>| rule.clone().unwrap_or_else(|| "no rule".to_owned());
            return Some(format!(
                "expected {} to decide, got {}",
                name(&self.rule),
                name(&decision.rule)
            ));
        }
        let because = self.because.as_deref()?;
        let missed = |name: &str, state| name == because && state != ClauseState::Held;
        let rules = decision.rules.iter();
        let verdicts = rules.clone().flat_map(|rule| &rule.verdicts).flat_map(|row| &row.clauses);
        let clauses = rules.flat_map(|rule| &rule.clauses).chain(&decision.general).chain(verdicts);
        let found = clauses.into_iter().any(|clause| missed(clause.name, clause.state));
        (!found).then(|| format!("expected the clause `{because}` not to hold, and it does"))
    }
}

struct Reading<'a> {
    raw: &'a RawCases,
    policy: &'a Policy,
    problems: Problems,
}

impl Reading<'_> {
    fn case(&mut self, raw: &Spanned<RawCase>) -> Option<Case> {
        let (case, span) = (raw.get_ref(), raw.span());
        let raw = self.raw;
        let product = self.find("product", &case.product, &raw.product)?;
        let now = match (&case.at, case.clock.as_deref()) {
            (Some(at), None) => Some(self.moment(at)?),
            (None, Some("missing")) => None,
            _ => {
                self.problems.add(&span, "a case has either `at` or `clock = \"missing\"`");
                return None;
            }
        };
        let since = case.installed_since.as_ref();
        let standing = match since {
            Some(since) => Standing::InstalledSince(self.moment(since)?),
            None => Standing::New,
        };
        let expect = match case.expect.get_ref().as_str() {
            "allowed" => Outcome::Allowed,
            "denied" => Outcome::Denied,
            "unknown" => Outcome::Unknown,
            _ => {
                self.problems
                    .add(&case.expect.span(), "`expect` is `allowed`, `denied` or `unknown`");
                return None;
            }
        };
        let exhibits =
            case.verdicts.iter().take(MAX_VERDICTS).filter_map(|name| self.exhibit(name));
        Some(Case {
            name: watchglass_events::printable(&case.name).into_owned(),
            expect,
            because: case.because.clone(),
            rule: case.rule.clone(),
            product: product.identity(),
            product_file: product_file(case.product.get_ref()),
            class: case.class.clone(),
            now,
            standing,
            build: case.build.as_deref().map(digest),
            exhibits: exhibits.collect(),
        })
    }

    fn exhibit(&mut self, name: &Spanned<String>) -> Option<Exhibit> {
        let raw = self.raw;
        let supposed = self.find("verdict", name, &raw.verdict)?;
        let shown = watchglass_events::printable(name.get_ref()).into_owned();
        if supposed.signature.as_deref().is_some_and(|signature| signature != "holds") {
            let why = "it does not hold".to_owned();
            return Some(Exhibit { name: shown, verdict: Err(why) });
        }
        let verdict = self.verdict(name, supposed)?;
        Some(Exhibit { name: shown, verdict: Ok(verdict) })
    }

    fn verdict(&mut self, name: &Spanned<String>, raw: &RawVerdict) -> Option<Verdict> {
        let product = raw.product.get_ref();
        self.find("product", &raw.product, &self.raw.product)?;
        let text = |given: &Option<String>| given.clone().unwrap_or_else(|| name.get_ref().clone());
        let supposed = Supposed {
            id: digest(&text(&raw.id)),
            signer: self.signer(raw)?,
            product_file: product_file(product),
            build: digest(raw.build.as_deref().unwrap_or("build")),
            began: self.moment(&raw.begun)?,
            grade: u8::try_from(*raw.grade.get_ref()).unwrap_or(u8::MAX),
            checks: self.checks(raw)?,
            seed: text(&raw.campaign),
        };
        let verdict = Verdict::danger_suppose(supposed);
        verdict.map_err(|error| self.problems.add(&raw.grade.span(), error.to_string())).ok()
    }

    fn signer(&mut self, raw: &RawVerdict) -> Option<PublicKey> {
        if let Some(key) = PublicKey::parse(raw.by.get_ref()) {
            return Some(key);
        }
        let keys = self.find("assayer", &raw.by, &self.policy.assayers)?;
        let key = keys.first().copied();
        if key.is_none() {
            self.problems.add(&raw.by.span(), "this assayer has no key");
        }
        key
    }

    /// All kept, but for those that are said to be otherwise.
    fn checks(&mut self, raw: &RawVerdict) -> Option<BTreeMap<String, State>> {
        let mut checks: BTreeMap<_, _> =
            CHECKS.iter().map(|id| ((*id).to_owned(), State::Kept)).collect();
        for (id, state) in &raw.except {
            let known = match state.as_str() {
                "broken" => Some(State::Broken),
                "inconclusive" => Some(State::Inconclusive),
                "not tested" => Some(State::NotTested),
                "kept" => Some(State::Kept),
                _ => None,
            };
            match (known, checks.get_mut(id.get_ref())) {
                (Some(state), Some(place)) => *place = state,
                _ => {
                    let says = "a check, and `broken`, `inconclusive`, `not tested` or `kept`";
                    self.problems.add(&id.span(), format!("{}: {says}", quoted(id.get_ref())));
                    return None;
                }
            }
        }
        Some(checks)
    }

    fn find<'m, T>(
        &mut self,
        what: &str,
        name: &Spanned<String>,
        map: &'m BTreeMap<String, T>,
    ) -> Option<&'m T> {
        let found = map.get(name.get_ref());
        if found.is_none() {
            let help = meant(name.get_ref(), map.keys().map(String::as_str));
            self.problems
                .add(&name.span(), format!("no {what} {}: {help}", quoted(name.get_ref())));
        }
        found
    }

    fn moment(&mut self, date: &Spanned<Datetime>) -> Option<Moment> {
        let moment = Moment::first(date.get_ref());
        if moment.is_none() {
            self.problems.add(&date.span(), crate::MomentError.to_string());
        }
        moment
    }
}

/// A digest as it is written, or that of a word which stands for one.
fn digest(text: &str) -> Digest {
    Digest::parse(text).unwrap_or_else(|| Digest::of(text.as_bytes()))
}

fn product_file(name: &str) -> Digest {
    Digest::of(format!("product file {name}").as_bytes())
}

/// Cases of one list.
const MAX_CASES: usize = 1_000;
/// Verdicts of one case.
const MAX_VERDICTS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCases {
    schema: Spanned<i64>,
    policy: String,
    #[serde(default)]
    product: BTreeMap<String, RawProduct>,
    #[serde(default)]
    verdict: BTreeMap<String, RawVerdict>,
    #[serde(default)]
    case: Vec<Spanned<RawCase>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProduct {
    name: String,
    vendor: String,
    jurisdiction: String,
}

impl RawProduct {
    fn identity(&self) -> Identity {
        let Self { name, vendor, jurisdiction } = self;
        Identity { name: name.clone(), vendor: vendor.clone(), jurisdiction: jurisdiction.clone() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVerdict {
    /// An assayer of the policy, by whose first key it is signed, or a key.
    by: Spanned<String>,
    product: Spanned<String>,
    begun: Spanned<Datetime>,
    grade: Spanned<u64>,
    #[serde(default)]
    except: BTreeMap<Spanned<String>, String>,
    build: Option<String>,
    id: Option<String>,
    campaign: Option<String>,
    signature: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    product: Spanned<String>,
    class: String,
    at: Option<Spanned<Datetime>>,
    clock: Option<String>,
    installed_since: Option<Spanned<Datetime>>,
    build: Option<String>,
    #[serde(default)]
    verdicts: Vec<Spanned<String>>,
    expect: Spanned<String>,
    because: Option<String>,
    rule: Option<String>,
}
