//! Which tables a product file has, and which keys each of them.

/// A table of the product file.
#[derive(Debug)]
pub(crate) struct Schema {
    /// How the table is written, for messages.
    pub(crate) header: &'static str,
    /// The keys that it may have.
    pub(crate) keys: &'static [&'static str],
}

/// Every key that a product file may have, with the table it belongs to.
pub fn accepted_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|schema| schema.keys.iter().map(|key| (schema.header, *key)))
}

pub(crate) const TABLES: &[&Schema] = &[
    &ROOT,
    &PRODUCT,
    &INSTALL,
    &INSTALL_FILE,
    &CONFIGURATION,
    &PRIVILEGES,
    &PHASE,
    &READY,
    &DOMAIN,
    &CONTACT,
    &SENDS,
    &FIELD,
];

pub(crate) const ROOT: Schema = Schema {
    header: "the top of the file",
    keys: &["schema", "product", "install", "configuration", "privileges", "phase", "domain"],
};

pub(crate) const PRODUCT: Schema =
    Schema { header: "[product]", keys: &["name", "vendor", "jurisdiction"] };

pub(crate) const INSTALL: Schema =
    Schema { header: "[install]", keys: &["debian", "host", "file"] };

pub(crate) const INSTALL_FILE: Schema =
    Schema { header: "[[install.file]]", keys: &["from", "to", "mode"] };

pub(crate) const CONFIGURATION: Schema =
    Schema { header: "[[configuration]]", keys: &["path", "content", "append"] };

pub(crate) const PRIVILEGES: Schema =
    Schema { header: "[privileges]", keys: &["capabilities", "families", "io_uring"] };

pub(crate) const PHASE: Schema = Schema {
    header: "[[phase]]",
    keys: &[
        "name",
        "domain",
        "setup",
        "run",
        "ready",
        "drive",
        "user",
        "environment",
        "stop",
        "timeout",
        "expect_exit",
        "for",
    ],
};

pub(crate) const READY: Schema =
    Schema { header: "ready = { … }", keys: &["unix", "tcp", "file", "seconds"] };

pub(crate) const DOMAIN: Schema = Schema {
    header: "[domain.NAME]",
    keys: &["programs", "reads", "writes", "executes", "listens", "contacts", "sends"],
};

pub(crate) const CONTACT: Schema =
    Schema { header: "contacts = [{ … }]", keys: &["host", "port", "protocol", "purpose"] };

pub(crate) const SENDS: Schema =
    Schema { header: "sends = [{ … }]", keys: &["to", "fields", "per_day"] };

pub(crate) const FIELD: Schema =
    Schema { header: "fields = [{ … }]", keys: &["name", "class", "max_bytes"] };
