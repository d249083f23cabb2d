//! DNS messages (RFC 1035, 4): questions and answers with their names as bytes.
//!
//! Names are the reason for a parser of our own: whoever smuggles data out in DNS labels chooses
//! every byte of them, so they are kept as they came, and nothing else in a message is interpreted.
//! Libraries that know thirty record types parse more of a hostile packet than anyone here reads.

use watchglass_bytes::{ReadError, Reader};

/// A DNS message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Chosen by the asker, repeated by the server.
    pub id: u16,
    /// The second word of the header: QR, opcode, AA, TC, RD, RA, RCODE.
    pub flags: u16,
    /// Questions.
    pub questions: Vec<Question>,
    /// Answers.
    pub answers: Vec<Record>,
    /// Authority section.
    pub authorities: Vec<Record>,
    /// Additional section.
    pub additional: Vec<Record>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose.
    pub name: DomainName,
    /// Type, such as [`kind::A`].
    pub kind: u16,
    /// Class, 1 for the internet.
    pub class: u16,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub name: DomainName,
    /// Type, such as [`kind::A`].
    pub kind: u16,
    /// Class, 1 for the internet; the payload size for [`kind::OPT`].
    pub class: u16,
    /// Seconds for which it may be kept.
    pub ttl_seconds: u32,
    /// The data as it stood in the message; names in it may point elsewhere in the message.
    pub data: Vec<u8>,
}

/// A domain name as its labels, each 1 to 63 bytes, hostile. The root has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Vec<Vec<u8>>);

impl DomainName {
    /// A name from dotted text; `None` when a label is empty or too long, or the whole is.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Some(Self::default());
        }
        let labels: Vec<Vec<u8>> = text.split('.').map(|label| label.as_bytes().to_vec()).collect();
        let fits = labels.iter().all(|label| (1..=MAX_LABEL_BYTES).contains(&label.len()));
        (fits && text.len() <= MAX_NAME_BYTES.saturating_sub(2)).then_some(Self(labels))
    }

    /// The labels, the most specific first.
    #[must_use]
    pub fn labels(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The name in lower case with dots, without the last one, if it is nothing but letters, digits,
    /// hyphens and underscores. Names compare without case (RFC 4343).
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let labels = self.0.iter().map(|label| {
            let text = std::str::from_utf8(label).ok().filter(|_| label.iter().all(plain));
            text.map(str::to_ascii_lowercase)
        });
        Some(labels.collect::<Option<Vec<_>>>()?.join("."))
    }

    /// Appends the name without compression.
    pub fn write(&self, message: &mut Vec<u8>) {
        for label in &self.0 {
            message.push(u8::try_from(label.len()).unwrap_or(0));
            message.extend_from_slice(label);
        }
        message.push(0);
    }
}

/// Record types.
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// Another name.
    pub const CNAME: u16 = 5;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// The name of an address.
    pub const PTR: u16 = 12;
    /// A mail server.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// Options of the message (RFC 6891).
    pub const OPT: u16 = 41;
    /// All of them.
    pub const ANY: u16 = 255;
}

/// The message is an answer.
pub const RESPONSE: u16 = 0x8000;
/// Bits of the flags that hold the opcode; 0 is a standard query.
pub const OPCODE: u16 = 0x7800;
/// The answer is cut; ask again by TCP.
pub const TRUNCATED: u16 = 0x0200;

/// Reads a message.
///
/// # Errors
/// A [`ReadError`] that names the field where the bytes end or declare too much. At most
/// [`MAX_RECORDS`] questions and records are read.
pub fn parse(message: &[u8]) -> Result<Message, ReadError> {
    let mut reader = Reader::new(message);
    let (id, flags) = (reader.u16_be("id")?, reader.u16_be("flags")?);
    let mut counts = [0_u16; 4];
    for count in &mut counts {
        *count = reader.u16_be("count")?;
    }
    let found = counts.iter().map(|&count| u64::from(count)).fold(0, u64::saturating_add);
    if found > MAX_RECORDS {
        return Err(ReadError::OverLimit { field: "records", found, limit: MAX_RECORDS });
    }
    let [questions, answers, authorities, additional] = counts;
    let mut steps = MAX_STEPS;
    let parsed = Message {
        id,
        flags,
        questions: section(questions, || question(message, &mut reader, &mut steps))?,
        answers: section(answers, || record(message, &mut reader, &mut steps))?,
        authorities: section(authorities, || record(message, &mut reader, &mut steps))?,
        additional: section(additional, || record(message, &mut reader, &mut steps))?,
    };
    reader.finish("message")?;
    Ok(parsed)
}

impl Message {
    /// The message's bytes, without compression. Counts are those of the lists.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let (answers, authorities) = (count(self.answers.len()), count(self.authorities.len()));
        let (questions, additional) = (count(self.questions.len()), count(self.additional.len()));
        for word in [self.id, self.flags, questions, answers, authorities, additional] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for question in &self.questions {
            question.name.write(&mut bytes);
            bytes.extend_from_slice(&question.kind.to_be_bytes());
            bytes.extend_from_slice(&question.class.to_be_bytes());
        }
        let sections = [&self.answers, &self.authorities, &self.additional];
        sections.into_iter().flatten().for_each(|record| record.write(&mut bytes));
        bytes
    }
}

impl Record {
    /// The data is cut to 65,535 bytes.
    fn write(&self, message: &mut Vec<u8>) {
        let length = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        self.name.write(message);
        message.extend_from_slice(&self.kind.to_be_bytes());
        message.extend_from_slice(&self.class.to_be_bytes());
        message.extend_from_slice(&self.ttl_seconds.to_be_bytes());
        message.extend_from_slice(&length.to_be_bytes());
        message.extend(self.data.iter().take(length.into()));
    }
}

fn section<T>(
    count: u16,
    mut next: impl FnMut() -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    (0..count).map(|_| next()).collect()
}

fn question<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    steps: &mut u32,
) -> Result<Question, ReadError> {
    let name = name(message, reader, steps)?;
    Ok(Question { name, kind: reader.u16_be("QTYPE")?, class: reader.u16_be("QCLASS")? })
}

fn record<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    steps: &mut u32,
) -> Result<Record, ReadError> {
    let name = name(message, reader, steps)?;
    let (kind, class) = (reader.u16_be("TYPE")?, reader.u16_be("CLASS")?);
    let ttl_seconds = reader.u32_be("TTL")?;
    let length = reader.u16_be("RDLENGTH")?;
    let data = reader.take("RDATA", length.into())?.to_vec();
    Ok(Record { name, kind, class, ttl_seconds, data })
}

/// Reads a name and follows its pointers (RFC 1035, 4.1.4), which may only go backwards.
fn name<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    steps: &mut u32,
) -> Result<DomainName, ReadError> {
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut length = 1_usize;
    let mut here = message.len().saturating_sub(reader.left());
    let mut elsewhere: Option<Reader<'_>> = None;
    loop {
        *steps = steps.checked_sub(1).ok_or(over("labels", MAX_STEPS.into(), MAX_STEPS.into()))?;
        let reader = elsewhere.as_mut().unwrap_or(reader);
        let head = reader.u8("label")?;
        match head {
            0 => return Ok(DomainName(labels)),
            1..=63 => {
                length = length.saturating_add(usize::from(head)).saturating_add(1);
                if length > MAX_NAME_BYTES {
                    return Err(over("name", length as u64, MAX_NAME_BYTES as u64));
                }
                labels.push(reader.take("label", head.into())?.to_vec());
            }
            64..=191 => return Err(over("label", head.into(), 63)),
            192.. => {
                let low = reader.u8("pointer")?;
                let target = usize::from(u16::from_be_bytes([head & 0x3f, low]));
                // Each jump lands before the place it started from, so a chain of them ends.
                if target >= here {
                    return Err(over("pointer", target as u64, here as u64));
                }
                let mut jump = Reader::new(message);
                jump.take("pointer", target)?;
                (here, elsewhere) = (target, Some(jump));
            }
        }
    }
}

fn over(field: &'static str, found: u64, limit: u64) -> ReadError {
    ReadError::OverLimit { field, found, limit }
}

/// Most questions and records that are read from a message.
pub const MAX_RECORDS: u64 = 512;

/// Labels and pointers read for a message, so that pointers cannot multiply the work.
const MAX_STEPS: u32 = 16_384;

/// RFC 1035, 2.3.4.
const MAX_LABEL_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Message {
        let name = DomainName::from_text("current.cvd.clamav.net").unwrap();
        let record = |kind, data: &[u8]| Record {
            name: name.clone(),
            kind,
            class: 1,
            ttl_seconds: 300,
            data: data.to_vec(),
        };
        Message {
            id: 7,
            flags: RESPONSE,
            questions: vec![Question { name: name.clone(), kind: kind::TXT, class: 1 }],
            answers: vec![record(kind::TXT, b"\x04text"), record(kind::A, &[192, 0, 2, 1])],
            ..Message::default()
        }
    }

    #[test]
    fn reads_back_what_was_written() {
        assert_eq!(parse(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn follows_pointers_backwards_only() {
        let mut bytes = sample().to_bytes();
        bytes[7] = 3; // one answer more
        bytes.extend_from_slice(&[3, b'w', b'w', b'w', 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
        let name = &parse(&bytes).unwrap().answers[2].name;
        assert_eq!(name.host().unwrap(), "www.current.cvd.clamav.net");
        let to_itself = u8::try_from(bytes.len() - 12).unwrap();
        let at = bytes.len() - 11;
        bytes[at] = to_itself;
        assert!(matches!(parse(&bytes), Err(ReadError::OverLimit { field: "pointer", .. })));
    }

    #[test]
    fn names_keep_their_bytes_and_only_plain_ones_are_hosts() {
        let name = DomainName(vec![b"\xff.\0".to_vec(), b"Example".to_vec()]);
        assert_eq!(name.host(), None);
        assert_eq!(DomainName::from_text("ExAmple.ORG.").unwrap().host().unwrap(), "example.org");
        assert_eq!(DomainName::from_text("a..b"), None);
        assert_eq!(DomainName::from_text(&"a".repeat(64)), None);
    }

    #[test]
    fn a_name_over_255_bytes_is_refused() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for _ in 0..5 {
            bytes.push(63);
            bytes.extend_from_slice(&[b'a'; 63]);
        }
        bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
        assert!(matches!(parse(&bytes), Err(ReadError::OverLimit { field: "name", .. })));
    }

    proptest! {
        #[test]
        fn random_and_damaged_bytes_never_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            damage in proptest::collection::vec((0_usize..90, any::<u8>()), 0..8),
        ) {
            let _ = parse(&noise);
            let mut bytes = sample().to_bytes();
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) { *byte = value; }
            }
            if let Ok(message) = parse(&bytes) {
                prop_assert_eq!(parse(&message.to_bytes()), Ok(message));
            }
        }
    }
}
