//! The standard security handler with the password that everybody has: none at all.

use super::cipher::{aes, cbc_decrypt, hash_5, hash_6, md5, object_key, rc4};
use super::document::Document;
use super::syntax::{Dictionary, Value};
use crate::budget::Budget;
use crate::reason::NotScanned;

/// What a document says of its encryption.
#[derive(Debug, Default)]
pub(super) enum Security {
    /// It is not encrypted.
    #[default]
    Absent,
    /// The empty password opens it.
    Open(Handler),
    /// Nobody can look inside without a password, or without somebody's private key.
    Locked(&'static str),
}

/// What decrypts a document.
#[derive(Debug)]
pub(super) struct Handler {
    key: Vec<u8>,
    /// In the words of the specification.
    pub(super) method: &'static str,
    streams: Method,
    strings: Method,
    files: Method,
    /// Crypt filters by name.
    filters: Vec<(Vec<u8>, Method)>,
    encrypts_metadata: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Identity,
    Rc4,
    AesV2,
    AesV3,
}

/// What a stream is for, as far as its encryption depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Metadata,
    EmbeddedFile,
    Other,
}

/// Whose key something is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) number: u32,
    pub(super) generation: u32,
}

impl Security {
    /// Tries every dictionary that a trailer names, with every first part of a file identifier.
    pub(super) fn of(
        document: &Document<'_>,
        encrypts: &[Value<'_>],
        ids: &[Vec<u8>],
        budget: &Budget<'_>,
    ) -> Result<Self, NotScanned> {
        let mut security = Self::Absent;
        for encrypt in encrypts {
            for value in document.resolve(encrypt) {
                let Some(dictionary) = value.dictionary() else { continue };
                let fields = Fields { document, dictionary };
                // Keys of 256 bits do not depend on the identifier.
                let is_one = fields.version() >= 5;
                let ids = ids.iter().map(Vec::as_slice).filter(|_| !is_one).chain([&[][..]]);
                for id in ids {
                    let hashed = if is_one { HASH_6 } else { id.len().saturating_mul(HASHES) };
                    budget.work(hashed)?;
                    if let Some(handler) = fields.open(id) {
                        return Ok(Self::Open(handler));
                    }
                }
                security = Self::Locked(fields.method());
            }
        }
        Ok(security)
    }
}

impl Handler {
    /// How a stream is encrypted. `crypt` is the name that a filter of its own gives.
    pub(super) fn stream(&self, crypt: Option<&[u8]>, what: Use) -> Method {
        match (crypt, what) {
            (Some(name), _) => self.named(name),
            (None, Use::Metadata) if !self.encrypts_metadata => Method::Identity,
            (None, Use::EmbeddedFile) => self.files,
            (None, _) => self.streams,
        }
    }

    fn named(&self, name: &[u8]) -> Method {
        let found = self.filters.iter().find(|(known, _)| known == name);
        found.map_or(Method::Identity, |(_, method)| *method)
    }

    /// What a string of an object says.
    pub(super) fn string(&self, bytes: &[u8], owner: Owner) -> Vec<u8> {
        self.decrypt(bytes, self.strings, owner)
    }

    pub(super) fn decrypt(&self, bytes: &[u8], method: Method, owner: Owner) -> Vec<u8> {
        let key = |salt| object_key(&self.key, owner.number, owner.generation, salt);
        match method {
            Method::Identity => bytes.to_vec(),
            Method::Rc4 => rc4(&key(b""), bytes),
            Method::AesV2 => aes(&key(b"sAlT"), bytes),
            Method::AesV3 => aes(&self.key, bytes),
        }
    }
}

/// An encryption dictionary, 7.6.4.
struct Fields<'d> {
    document: &'d Document<'d>,
    dictionary: &'d Dictionary<'d>,
}

impl Fields<'_> {
    fn open(&self, id: &[u8]) -> Option<Handler> {
        if self.name(b"Filter").is_some_and(|name| name != b"Standard") {
            return None;
        }
        let version = self.version();
        let key = if version >= 5 { self.key_256() } else { self.key_128(id, version) }?;
        let filters = self.filters();
        let method = |key: &[u8]| match version {
            0..=3 => Method::Rc4,
            _ => self.name(key).map_or(Method::Identity, |name| {
                let found = filters.iter().find(|(known, _)| *known == name);
                found.map_or(Method::Identity, |(_, method)| *method)
            }),
        };
        let (streams, strings) = (method(b"StmF"), method(b"StrF"));
        let files = if self.name(b"EFF").is_some() { method(b"EFF") } else { streams };
        let encrypts_metadata = self.encrypts_metadata();
        let method = self.method();
        Some(Handler { key, method, streams, strings, files, filters, encrypts_metadata })
    }

    /// Algorithms 2, 4 to 6: RC4 and the first AES, keys of up to 128 bits.
    fn key_128(&self, id: &[u8], version: i64) -> Option<Vec<u8>> {
        let (owner, user) = (self.text(b"O")?, self.text(b"U")?);
        let revision = self.integer(b"R").unwrap_or(2);
        let permissions = self.integer(b"P").unwrap_or(0).to_le_bytes();
        let permissions = permissions.get(..4)?;
        let is_open = revision >= 4 && !self.encrypts_metadata();
        let open: &[u8] = if is_open { &[0xff; 4] } else { &[] };
        let first = md5(&[PADDING, owner.get(..32)?, permissions, id, open]);
        // Which length holds, writers disagree on; the right one is what the check of U says.
        let declared = self.integer(b"Length").and_then(|bits| usize::try_from(bits / 8).ok());
        let lengths = [if version == 1 { Some(5) } else { declared }, Some(16), Some(5)];
        lengths.into_iter().flatten().filter(|length| (5..=16).contains(length)).find_map(
            |length| {
                let mut digest = first;
                for _ in 0..if revision >= 3 { 50 } else { 0 } {
                    digest = md5(&[digest.get(..length)?]);
                }
                let key = digest.get(..length)?;
                let check = if revision >= 3 { check_3(key, id) } else { rc4(key, PADDING) };
                (user.get(..16)? == check.get(..16)?).then(|| key.to_vec())
            },
        )
    }

    /// Algorithm 2.A: keys of 256 bits, wrapped for the user or for the owner.
    fn key_256(&self) -> Option<Vec<u8>> {
        let hash = if self.integer(b"R") == Some(5) { hash_5 } else { hash_6 };
        let (owner, user) = (self.text(b"O")?, self.text(b"U")?);
        let user_48 = user.get(..48)?;
        let roles = [(&user, b"UE", &[][..]), (&owner, b"OE", user_48)];
        roles.into_iter().find_map(|(check, wrapped, more)| {
            let wrapped = self.text(wrapped)?;
            if hash(check.get(32..40)?, more) != *check.get(..32)? {
                return None;
            }
            let key = hash(check.get(40..48)?, more);
            Some(cbc_decrypt(&key, [0; 16], wrapped.get(..32)?))
        })
    }

    fn filters(&self) -> Vec<(Vec<u8>, Method)> {
        let Some(Value::Dictionary(filters)) = self.value(b"CF") else { return Vec::new() };
        let read = |(name, filter): &(std::borrow::Cow<'_, [u8]>, Value<'_>)| {
            let filter = self.document.resolve(filter).pop()?;
            let method = match filter.dictionary()?.last(b"CFM")? {
                Value::Name(name) => match &**name {
                    b"V2" => Method::Rc4,
                    b"AESV2" => Method::AesV2,
                    b"AESV3" => Method::AesV3,
                    _ => Method::Identity,
                },
                _ => return None,
            };
            Some((name.to_vec(), method))
        };
        filters.0.iter().take(MAX_FILTERS).filter_map(read).collect()
    }

    fn method(&self) -> &'static str {
        if self.name(b"Filter").is_some_and(|name| name != b"Standard") {
            return "a security handler other than PDF's own";
        }
        match self.integer(b"V").unwrap_or(0) {
            0..=1 => "RC4 with 40 bits",
            2..=3 => "RC4",
            4 if self.filters().iter().any(|(_, method)| *method == Method::AesV2) => "AESV2",
            4 => "RC4 with crypt filters",
            _ => "AESV3",
        }
    }

    fn version(&self) -> i64 {
        self.integer(b"V").unwrap_or(0)
    }

    fn encrypts_metadata(&self) -> bool {
        !self.dictionary.all(b"EncryptMetadata").any(|value| *value == Value::False)
    }

    fn value(&self, key: &[u8]) -> Option<Value<'_>> {
        self.document.resolve(self.dictionary.last(key)?).pop()
    }

    fn integer(&self, key: &[u8]) -> Option<i64> {
        self.value(key)?.integer()
    }

    fn text(&self, key: &[u8]) -> Option<Vec<u8>> {
        Some(self.value(key)?.text()?.bytes())
    }

    fn name(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.value(key)? {
            Value::Name(name) => Some(name.into_owned()),
            _ => None,
        }
    }
}

/// Algorithm 5, of which 16 bytes are compared.
fn check_3(key: &[u8], id: &[u8]) -> Vec<u8> {
    (0..20_u8).fold(md5(&[PADDING, id]).to_vec(), |check, round| {
        let key: Vec<u8> = key.iter().map(|byte| byte ^ round).collect();
        rc4(&key, &check)
    })
}

/// What an empty password is filled up with, algorithm 2 a.
const PADDING: &[u8] = b"\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\
    \x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a";
/// Digests over an identifier that it takes to try it: one for the key, one for each check.
const HASHES: usize = 4;
/// The work of the four hashes of algorithm 2.B, in bytes of a decoder: each encrypts some megabytes.
const HASH_6: usize = 1 << 21;
/// Crypt filters that are read of one document. Writers make one or two.
const MAX_FILTERS: usize = 64;
