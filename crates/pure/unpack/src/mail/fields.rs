//! Header fields of an entity, RFC 5322, and their parameters, RFC 2045 and 2231.

use std::borrow::Cow;

use super::encodings::{decode_words, percent};
use super::walk::Policy;

/// Fields that say what an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Type,
    Disposition,
    Encoding,
    /// Another one of `Content-…`.
    Other,
}

/// What the fields of an entity say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// Boundaries of its parts.
    pub(crate) boundaries: Vec<Vec<u8>>,
    /// Whether its body is a message.
    pub(crate) is_message: bool,
    /// Whether its parts are messages unless they say something else.
    pub(crate) is_digest: bool,
    /// Whether its body is a piece of a message.
    pub(crate) is_partial: bool,
    /// Bits of [`super::encodings`].
    pub(crate) encodings: u8,
    pub(crate) name: Vec<u8>,
}

/// The field that a line begins, and its value; None where it is no field.
pub(crate) fn field(line: &[u8], policy: Policy) -> Option<(Option<Field>, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.get(1..).unwrap_or_default();
    let mut name = name.to_vec();
    match policy {
        Policy::First | Policy::Last => name.truncate(name.trim_ascii_end().len()),
        Policy::Literal if name.is_empty() => return Some((None, value)),
        Policy::Literal => {}
        Policy::Lenient => {
            name = without_comments(&name);
            name.retain(|byte| byte.is_ascii_graphic());
        }
    }
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    name.make_ascii_lowercase();
    let field = match &name[..] {
        b"content-type" => Some(Field::Type),
        b"content-disposition" => Some(Field::Disposition),
        b"content-transfer-encoding" => Some(Field::Encoding),
        name if name.starts_with(b"content") => Some(Field::Other),
        _ => None,
    };
    Some((field, value))
}

impl Head {
    pub(crate) fn new(fields: &[(Field, Vec<u8>)], policy: Policy) -> Self {
        let mut head = Self::default();
        for (_, value) in chosen(fields, Field::Encoding, policy) {
            head.encodings |= encoding(value, policy);
        }
        if head.encodings == 0 {
            head.encodings = super::encodings::IDENTITY;
        }
        for (_, value) in chosen(fields, Field::Type, policy) {
            head.read_type(value, policy);
        }
        if !head.boundaries.is_empty() {
            // No encoding is meant for what stands around the parts.
            head.encodings |= super::encodings::IDENTITY;
        }
        if policy == Policy::Lenient {
            fields.iter().for_each(|(_, value)| guess_boundaries(value, &mut head.boundaries));
        }
        head.name = name(fields, policy);
        head
    }

    fn read_type(&mut self, value: &[u8], policy: Policy) {
        let kind = word(value);
        self.is_message |= match policy {
            Policy::Literal => kind.starts_with(b"message/"),
            _ => [&b"message/rfc822"[..], b"message/global", b"message/news"].contains(&&kind[..]),
        };
        self.is_digest |= kind == b"multipart/digest";
        self.is_partial |= kind == b"message/partial";
        if !kind.starts_with(b"multipart/") && policy != Policy::Lenient {
            return;
        }
        let of = |policy| values(&parameters(value, policy), b"boundary");
        match policy {
            Policy::First => self.boundaries.extend(of(policy).into_iter().next()),
            Policy::Last => self.boundaries.extend(of(policy).into_iter().next_back()),
            Policy::Literal => {
                // Its older half reads comments as parameters, its newer one does not.
                let [older, newer] =
                    [policy, Policy::First].map(|policy| of(policy).into_iter().next());
                let newer = newer.filter(|newer| older.as_ref() != Some(newer));
                self.boundaries.extend(older.into_iter().chain(newer));
            }
            Policy::Lenient => self.boundaries.extend(of(policy)),
        }
        for boundary in &mut self.boundaries {
            boundary.truncate(MAX_BOUNDARY);
            boundary.truncate(boundary.trim_ascii_end().len());
        }
    }
}

/// Those of one kind that a reader looks at.
fn chosen(
    fields: &[(Field, Vec<u8>)],
    kind: Field,
    policy: Policy,
) -> impl Iterator<Item = &(Field, Vec<u8>)> {
    let count = fields.iter().filter(|(field, _)| *field == kind).count();
    let last = count.saturating_sub(1);
    let (skip, take) = match policy {
        Policy::First | Policy::Literal => (0, 1),
        Policy::Last => (last, 1),
        Policy::Lenient => (0, count),
    };
    fields.iter().filter(move |(field, _)| *field == kind).skip(skip).take(take)
}

fn encoding(value: &[u8], policy: Policy) -> u8 {
    use super::encodings::{BASE64, IDENTITY, PRINTABLE};
    let literal = without_blanks(value).to_ascii_lowercase();
    let known = if policy == Policy::Literal { literal.clone() } else { word(value) };
    // With a comment or in quotes, some readers do not know it.
    let or_none = if literal == known { 0 } else { IDENTITY };
    match &known[..] {
        b"base64" => return BASE64 | or_none,
        b"quoted-printable" => return PRINTABLE | or_none,
        // What stands in these is found where it begins.
        b"7bit" | b"8bit" | b"binary" | b"" | b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue"
        | b"x-yencode" => return IDENTITY,
        _ => {}
    }
    if policy != Policy::Lenient {
        return IDENTITY;
    }
    let has = |what: &[u8]| memchr::memmem::find(&value.to_ascii_lowercase(), what).is_some();
    let mut found = IDENTITY;
    found |= if has(b"64") { BASE64 } else { 0 };
    found | if has(b"quoted") || has(b"printable") { PRINTABLE } else { 0 }
}

fn without_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

/// The first word of a value, in lower case, without comments and quotes.
fn word(value: &[u8]) -> Vec<u8> {
    let bare = without_comments(value);
    let end = bare.iter().position(|byte| *byte == b';').unwrap_or(bare.len());
    let mut bare = bare.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    bare.retain(|byte| byte.is_ascii_graphic() && *byte != b'"');
    bare
}

fn name(fields: &[(Field, Vec<u8>)], policy: Policy) -> Vec<u8> {
    let of = |kind, what: &[u8]| {
        chosen(fields, kind, policy).find_map(|(_, value)| {
            values(&parameters(value, policy), what).into_iter().find(|name| !name.is_empty())
        })
    };
    let name = of(Field::Disposition, b"filename").or_else(|| of(Field::Type, b"name"));
    let mut name = decode_words(&name.unwrap_or_default());
    name.truncate(MAX_NAME);
    name
}

/// A parameter as it stands, `name*index*=value`.
#[derive(Debug)]
struct Parameter {
    name: Vec<u8>,
    index: Option<usize>,
    is_extended: bool,
    value: Vec<u8>,
}

/// The parameters after the first `;`.
fn parameters(value: &[u8], policy: Policy) -> Vec<Parameter> {
    let mut found = Vec::new();
    let bare = match policy {
        Policy::First | Policy::Last => Cow::Owned(without_comments(value)),
        Policy::Literal | Policy::Lenient => Cow::Borrowed(value),
    };
    let mut rest = after(&bare, b';');
    while !rest.is_empty() && found.len() < MAX_PARAMETERS {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end).unwrap_or_default();
        let Some(tail) = tail.strip_prefix(b"=") else {
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        let (value, tail) = match policy {
            Policy::Literal => literal_value(tail),
            _ => parameter_value(tail.trim_ascii_start()),
        };
        rest = after(tail, b';');
        found.push(parameter(&without_comments(name), value));
    }
    found
}

fn after(text: &[u8], byte: u8) -> &[u8] {
    let at = memchr::memchr(byte, text).map_or(text.len(), |at| at.saturating_add(1));
    text.get(at..).unwrap_or_default()
}

/// A quoted string or a token, and what follows it.
fn parameter_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (token, tail) = text.split_at_checked(end).unwrap_or_default();
        return (without_comments(token).trim_ascii().to_vec(), tail);
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => value.extend(bytes.next()),
            byte => value.push(byte),
        }
    }
    (value, bytes.as_slice())
}

/// What stands before the `;` that is not in quotes; quotes around it are left out.
fn literal_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut is_quoted, mut last) = (false, 0);
    let is_end = |byte: &u8| {
        is_quoted ^= *byte == b'"' && last != b'\\';
        last = *byte;
        *byte == b';' && !is_quoted
    };
    let end = text.iter().position(is_end).unwrap_or(text.len());
    let (value, tail) = text.split_at_checked(end).unwrap_or_default();
    match value.trim_ascii() {
        [b'"', quoted @ .., b'"'] => (unescaped(quoted), tail),
        token => (token.to_vec(), tail),
    }
}

fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    let mut bytes = quoted.iter().peekable();
    while let Some(&byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && matches!(next, b'\\' | b'"'));
        made.push(*escaped.unwrap_or(&byte));
    }
    made
}

fn parameter(name: &[u8], value: Vec<u8>) -> Parameter {
    let name = name.trim_ascii().to_ascii_lowercase();
    let mut pieces = name.split(|byte| *byte == b'*');
    let base = pieces.next().unwrap_or_default().to_vec();
    let piece = pieces.next();
    let digits = piece.and_then(|piece| std::str::from_utf8(piece).ok());
    let index = digits.and_then(|digits| digits.parse().ok());
    Parameter { name: base, index, is_extended: name.ends_with(b"*"), value }
}

/// Every value of a parameter in order, one of joined sections last.
fn values(parameters: &[Parameter], name: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut sections = Vec::new();
    for one in parameters.iter().filter(|one| one.name == name) {
        match one.index {
            Some(index) => sections.push((index, one)),
            None => found.push(plain(one, true)),
        }
    }
    sections.sort_by_key(|(index, _)| *index);
    let joined: Vec<u8> =
        sections.iter().flat_map(|(index, one)| plain(one, *index == 0)).collect();
    if !sections.is_empty() {
        found.push(joined);
    }
    found
}

fn plain(one: &Parameter, is_first: bool) -> Vec<u8> {
    if !one.is_extended {
        return one.value.clone();
    }
    let text = &one.value[..];
    let bare = if is_first && text.iter().filter(|byte| **byte == b'\'').count() >= 2 {
        after(after(text, b'\''), b'\'')
    } else {
        text
    };
    percent(bare)
}

/// Every boundary that some reader could see in a value that breaks the rules.
fn guess_boundaries(value: &[u8], found: &mut Vec<Vec<u8>>) {
    let lower = value.to_ascii_lowercase();
    for at in memchr::memmem::find_iter(&lower, b"boundary").take(MAX_PARAMETERS) {
        let rest = value.get(at.saturating_add(8)..).unwrap_or_default();
        let skip = |rest: &[u8], what: &[u8]| {
            rest.iter().take_while(|byte| what.contains(byte)).count().min(MAX_BOUNDARY)
        };
        let rest = rest.get(skip(rest, b"*0123456789 \t\r\n\"")..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(b"=") else { continue };
        let rest = rest.get(skip(rest, b" \t\r\n\"'")..).unwrap_or_default();
        let rest = rest.get(..MAX_BOUNDARY).unwrap_or(rest);
        for ends in [&b"\""[..], b"\";, \t\r\n", b" \t\r\n"] {
            let end = rest.iter().position(|byte| ends.contains(byte)).unwrap_or(rest.len());
            let one = rest.get(..end).unwrap_or_default();
            let mut bare = one;
            while let [shorter @ .., b';' | b'"' | b'\'' | b' ' | b'\t'] = bare {
                bare = shorter;
            }
            for candidate in [one, bare, after_language(bare)] {
                if !candidate.is_empty() && !found.iter().any(|known| known == candidate) {
                    found.push(candidate.to_vec());
                }
            }
            if found.len() > MAX_PARAMETERS {
                return;
            }
        }
    }
}

/// What follows `charset'language'`, if that stands there.
fn after_language(text: &[u8]) -> &[u8] {
    let count = text.iter().filter(|byte| **byte == b'\'').count();
    if count == 2 { after(after(text, b'\''), b'\'') } else { text }
}

/// Without what stands in parentheses outside of quotes.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    let mut kept = Vec::new();
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' if depth == 0 => is_quoted = !is_quoted,
            b'(' if !is_quoted => depth = depth.saturating_add(1),
            b')' if !is_quoted && depth > 0 => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            kept.push(byte);
        }
    }
    kept
}

/// Bytes of a boundary. RFC 2046 allows 70.
pub(crate) const MAX_BOUNDARY: usize = 256;
/// Parameters of one field. ClamAV reads 256 (`HEURISTIC_EMAIL_MAX_ARGUMENTS_PER_HEADER`).
const MAX_PARAMETERS: usize = 256;
/// Bytes of a name.
const MAX_NAME: usize = 4096;
