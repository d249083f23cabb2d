//! The shape of a policy file, before any value was looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) schema: Spanned<i64>,
    pub(super) name: Spanned<String>,
    pub(super) issued: Spanned<Datetime>,
    pub(super) until: Option<Spanned<Datetime>>,
    #[serde(default)]
    pub(super) class: BTreeMap<Spanned<String>, RawClass>,
    #[serde(default)]
    pub(super) assayer: BTreeMap<Spanned<String>, RawAssayer>,
    #[serde(default)]
    pub(super) revoked: Vec<Spanned<RawRevoked>>,
    #[serde(default)]
    pub(super) overruled: Vec<RawOverruled>,
    #[serde(default)]
    pub(super) deny: Vec<RawDeny>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<RawAllow>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClass {
    pub(super) title: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAssayer {
    pub(super) keys: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRevoked {
    pub(super) verdict: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) build: Option<Spanned<String>>,
    pub(super) product_file: Option<Spanned<String>>,
    pub(super) reason: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverruled {
    pub(super) verdict: Spanned<String>,
    pub(super) reason: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeny {
    pub(super) class: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) product: Option<Spanned<String>>,
    pub(super) vendor: Option<Spanned<String>>,
    pub(super) jurisdiction: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) spares_installed_before: Option<Spanned<Datetime>>,
    pub(super) until: Option<Spanned<Datetime>>,
    pub(super) reason: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAllow {
    pub(super) class: Spanned<Vec<Spanned<String>>>,
    pub(super) product: Option<Spanned<String>>,
    pub(super) vendor: Option<Spanned<String>>,
    pub(super) jurisdiction: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) jurisdiction_other_than: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) installed_before: Option<Spanned<Datetime>>,
    pub(super) until: Option<Spanned<Datetime>>,
    pub(super) minimum_grade: Option<Spanned<u64>>,
    pub(super) required_checks: Option<Vec<Spanned<String>>>,
    pub(super) assayers: Option<Spanned<RawAssayers>>,
    pub(super) maximum_age: Option<Spanned<String>>,
    pub(super) build: Option<Spanned<String>>,
    pub(super) without_verdict: Option<bool>,
    pub(super) reason: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAssayers {
    pub(super) at_least: u64,
    pub(super) of: Vec<Spanned<String>>,
}
