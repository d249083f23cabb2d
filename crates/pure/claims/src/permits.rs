//! What the claims permit, in words and numbers, to be printed beside *kept*.

use crate::product::{
    Contact, ContentFunction, Domain, Field, FieldClass, Host, Product, Rotation, Scope, Sends,
    Trigger,
};

/// What one claim permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The domain.
    pub domain: String,
    /// Which kind of claim it is.
    pub kind: PermitKind,
    /// The claim as the file has it.
    pub claim: String,
    /// What it permits, in a sentence.
    pub permits: String,
    /// How much it lets out.
    pub capacity: Capacity,
}

/// The kinds of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PermitKind {
    /// `reads`.
    Read,
    /// `writes`.
    Write,
    /// `executes`.
    Execute,
    /// `listens`.
    Listen,
    /// `contacts`.
    Contact,
    /// `sends`.
    Send,
}

/// How many bits a claim lets out in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// It sends nothing by itself.
    None,
    /// At most this.
    BitsPerDay(u64),
    /// Without a limit.
    Unbounded,
}

/// A claim that says too little to win anything: it caps the grade at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacuous {
    /// The domain.
    pub domain: String,
    /// The claim as the file has it.
    pub claim: String,
    /// Why it says too little.
    pub why: &'static str,
}

/// What every claim of a product permits, in the order of the file's kinds.
#[must_use]
pub fn permits(product: &Product) -> Vec<Permit> {
    product.domains.iter().flat_map(|(name, domain)| permits_of(name, domain)).collect()
}

impl Product {
    /// The sum of what all claims let out in a day, in bits; `None` without a limit.
    #[must_use]
    pub fn bits_per_day(&self) -> Option<u64> {
        self.domains
            .values()
            .flat_map(|domain| &domain.sends)
            .try_fold(0_u64, |sum, sends| sends.bits_per_day().map(|bits| sum.saturating_add(bits)))
    }

    /// The claims that say too little, in the order of the domains' names.
    #[must_use]
    pub fn vacuous(&self) -> Vec<Vacuous> {
        self.domains.iter().flat_map(|(name, domain)| vacuous_of(name, domain)).collect()
    }
}

impl Sends {
    /// How many bits in a day: the sum over all fields that are not constant of `max_bytes` × 8,
    /// times `per_day`. `None` without a limit, which is also so where all fields are constant:
    /// the number of messages is a channel of its own.
    #[must_use]
    pub fn bits_per_day(&self) -> Option<u64> {
        let per_day = u64::from(self.per_day?);
        Some(self.bits_per_message().saturating_mul(per_day))
    }

    /// How many bits in one message.
    #[must_use]
    pub fn bits_per_message(&self) -> u64 {
        self.fields.iter().map(Field::bits).fold(0, u64::saturating_add)
    }
}

impl Field {
    /// How many bits the field can carry: none where it is constant.
    #[must_use]
    pub fn bits(&self) -> u64 {
        match self.class {
            FieldClass::Constant => 0,
            _ => self.max_bytes.saturating_mul(8),
        }
    }
}

fn permits_of(name: &str, domain: &Domain) -> Vec<Permit> {
    let permit = |kind, claim: String, permits: String| Permit {
        domain: name.to_owned(),
        kind,
        claim,
        permits,
        capacity: Capacity::None,
    };
    let paths = [
        (PermitKind::Read, "may read", &domain.reads),
        (PermitKind::Write, "may write, create, rename and remove", &domain.writes),
        (PermitKind::Execute, "may run", &domain.executes),
    ];
    let mut all: Vec<Permit> = Vec::new();
    for (kind, verb, globs) in paths {
        all.extend(globs.iter().map(|glob| permit(kind, glob.clone(), path_words(verb, glob))));
    }
    all.extend(domain.listens.iter().map(|listen| {
        permit(PermitKind::Listen, listen.clone(), format!("may be reached at {listen}"))
    }));
    all.extend(domain.contacts.iter().map(|contact| {
        permit(PermitKind::Contact, contact_claim(contact), contact_words(contact))
    }));
    all.extend(domain.sends.iter().map(|sends| send_permit(name, sends)));
    all
}

fn path_words(verb: &str, glob: &str) -> String {
    match glob {
        "/**" => format!("{verb} everything"),
        "{loader}" => format!("{verb} what the dynamic loader and the C library read"),
        "{trust}" => format!("{verb} the certificates the system trusts"),
        _ => match glob.strip_suffix("/**") {
            Some(folder) => format!("{verb} {folder} and everything below it"),
            None => format!("{verb} {glob}"),
        },
    }
}

fn contact_claim(contact: &Contact) -> String {
    let protocol = if contact.udp { "udp" } else { "tcp" };
    format!("{protocol}:{}:{}", contact.host, contact.port)
}

fn contact_words(contact: &Contact) -> String {
    let whom = match &contact.host {
        Host::Any => "anyone".to_owned(),
        Host::Below(parent) => format!("anyone whose name ends in .{parent}"),
        Host::Exact(name) => name.clone(),
    };
    format!("may reach {whom} on port {} ({})", contact.port, contact.purpose)
}

fn send_permit(domain: &str, sends: &Sends) -> Permit {
    let fields: Vec<String> = sends.fields.iter().map(field_words).collect();
    let fields = if fields.is_empty() { "nothing".to_owned() } else { fields.join("; ") };
    let (rate, capacity) = match (sends.per_day, sends.bits_per_day()) {
        (Some(per_day), Some(bits)) => {
            (format!("{per_day} times a day, {bits} bits a day"), Capacity::BitsPerDay(bits))
        }
        _ => ("any number of times a day".to_owned(), Capacity::Unbounded),
    };
    Permit {
        domain: domain.to_owned(),
        kind: PermitKind::Send,
        claim: sends.to.to_string(),
        permits: format!("may send {} {fields}, {rate}", sends.to),
        capacity,
    }
}

fn field_words(field: &Field) -> String {
    format!("{} ({}, up to {} bytes)", field.name, class_words(field.class), field.max_bytes)
}

fn class_words(class: FieldClass) -> String {
    match class {
        FieldClass::Constant => "the same for everyone".to_owned(),
        FieldClass::Clock => "the time".to_owned(),
        FieldClass::Counter => "how often it was sent".to_owned(),
        FieldClass::Echo => "what the server sent before".to_owned(),
        FieldClass::Id(scope, rotation) => {
            format!("an identifier of the {}, {}", scope_words(scope), rotation_words(rotation))
        }
        FieldClass::Function { function, trigger } => {
            format!("{} of {}", function_words(function), trigger_words(trigger))
        }
    }
}

fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Installation => "installation",
        Scope::Machine => "machine",
        Scope::User => "user",
        Scope::Session => "session",
    }
}

fn rotation_words(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::Never => "never changed",
        Rotation::Install => "changed with each installation",
        Rotation::Day => "changed each day",
        Rotation::Session => "changed with each start",
        Rotation::Message => "changed with each message",
    }
}

fn function_words(function: ContentFunction) -> String {
    match function {
        ContentFunction::Digest { algorithm, prefix_bytes } if prefix_bytes < algorithm.bytes() => {
            format!("the first {prefix_bytes} bytes of the digest ({function})")
        }
        ContentFunction::Digest { .. } => format!("the digest ({function})"),
        ContentFunction::Size => "the size".to_owned(),
        ContentFunction::Type => "the type".to_owned(),
        ContentFunction::Name => "the name".to_owned(),
        ContentFunction::Path => "the path".to_owned(),
        ContentFunction::Contents => "the content".to_owned(),
    }
}

fn trigger_words(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Always => "any file",
        Trigger::Detection => "files found malicious",
        Trigger::Consent => "files the user chose to send",
    }
}

fn vacuous_of(name: &str, domain: &Domain) -> Vec<Vacuous> {
    let vacuous = |claim: String, why| Vacuous { domain: name.to_owned(), claim, why };
    let mut all: Vec<Vacuous> = Vec::new();
    for contact in domain.contacts.iter().filter(|contact| contact.host.is_wildcard()) {
        all.push(vacuous(contact_claim(contact), "the host is a wildcard"));
    }
    for sends in &domain.sends {
        if sends.per_day.is_none() {
            all.push(vacuous(format!("sends to {}", sends.to), "any number of messages a day"));
        }
        for field in sends.fields.iter().filter(|field| is_contents(field)) {
            let claim = format!("{} to {}", field.name, sends.to);
            all.push(vacuous(claim, "the contents of files may be sent"));
        }
        if sends.bits_per_message() > MAX_MESSAGE_BITS {
            let claim = format!("sends to {}", sends.to);
            all.push(vacuous(claim, "more than 4096 bytes of a message are not constant"));
        }
    }
    all.extend(vacuous_paths(domain).map(|(claim, why)| vacuous(claim, why)));
    all
}

fn vacuous_paths(domain: &Domain) -> impl Iterator<Item = (String, &'static str)> {
    let reads = domain.reads.iter().filter(|_| domain.has_network());
    let reads = reads.map(|glob| (glob, "every file may be read by who may reach the network"));
    let writes = domain.writes.iter().map(|glob| (glob, "every file may be written"));
    let executes = domain.executes.iter().map(|glob| (glob, "every program may be run"));
    let all = reads.chain(writes).chain(executes);
    let everything = |glob: &str| crate::Glob::parse(glob).is_ok_and(|glob| glob.is_everything());
    all.filter(move |(glob, _)| everything(glob)).map(|(glob, why)| (glob.clone(), why))
}

fn is_contents(field: &Field) -> bool {
    matches!(field.class, FieldClass::Function { function: ContentFunction::Contents, .. })
}

/// A message that carries more is as good as unbounded: a document fits into it. Counted over all
/// its fields, so that cutting a large field into small ones does not help.
const MAX_MESSAGE_BITS: u64 = 4096 * 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn product(sends: &str, contact: &str, reads: &str) -> Product {
        let text = format!(
            r#"
            schema = 1
            product = {{ name = "Toy", vendor = "Toys", jurisdiction = "CH" }}
            install = {{ host = true }}
            phase = [{{ name = "scan", domain = "toy", run = ["toy"] }}]
            [domain.toy]
            programs = ["toy"]
            reads = ["{reads}"]
            contacts = [{{ host = "{contact}", port = 443, purpose = "updates" }}]
            sends = [{{ to = "{contact}", {sends} }}]
            "#
        );
        Product::parse(&text)
            .map_err(|problems| crate::render_problems(&problems, &text))
            .expect("a product")
    }

    #[test]
    fn constant_fields_carry_nothing_and_others_all_their_bits() {
        let fields = r#"fields = [
            { name = "Accept", class = "constant", max_bytes = 1000 },
            { name = "Id", class = "id(user, day)", max_bytes = 16 },
            { name = "Digest", class = "f(content: sha256[4])", max_bytes = 8 }]"#;
        let product = product(&format!("{fields}, per_day = 10"), "a.org", "/x/**");
        assert_eq!(product.bits_per_day(), Some((16 + 8) * 8 * 10));
        let permits = permits(&product);
        let send = permits.iter().find(|permit| permit.kind == PermitKind::Send).expect("a permit");
        assert_eq!(send.capacity, Capacity::BitsPerDay(1920));
        assert_eq!(
            send.permits,
            "may send a.org Accept (the same for everyone, up to 1000 bytes); Id (an identifier of \
             the user, changed each day, up to 16 bytes); Digest (the first 4 bytes of the digest \
             (sha256[4]) of any file, up to 8 bytes), 10 times a day, 1920 bits a day"
        );
        assert_eq!(product.vacuous(), []);
    }

    #[test]
    fn without_a_rate_nothing_is_bounded() {
        let product = product("fields = []", "a.org", "/x/**");
        assert_eq!(product.bits_per_day(), None);
        assert_eq!(product.vacuous().len(), 1);
    }

    #[test]
    fn lists_claims_that_say_too_little() {
        let fields = r#"fields = [
            { name = "body", class = "f(content: contents when consent)", max_bytes = 10 },
            { name = "blob", class = "echo", max_bytes = 4087 }], per_day = 1"#;
        let why = |product: &Product| -> Vec<&str> {
            product.vacuous().iter().map(|vacuous| vacuous.why).collect()
        };
        assert_eq!(
            why(&product(fields, "*.a.org", "/**")),
            [
                "the host is a wildcard",
                "the contents of files may be sent",
                "more than 4096 bytes of a message are not constant",
                "every file may be read by who may reach the network",
            ]
        );
        assert_eq!(
            why(&product("fields = [], per_day = 1", "*", "/x")),
            ["the host is a wildcard"]
        );
    }
}
