//! What a worker answers.

use watchglass_bytes::Reader;

use crate::job::begin;
use crate::word::{Code, Wall};
use crate::{MessageError, VERSION};

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// It is held, and ready.
    Hello(Hello),
    /// It has looked into a file.
    Outcome(Outcome),
    /// It has hashed a file, as far as it could.
    Digested(Digested),
}

/// What a file's bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    /// The number of the job.
    pub number: u64,
    /// None when it could not be read whole, changed meanwhile, or is longer than `--max-filesize`.
    pub content: Option<ContentDigest>,
}

/// SHA-256 of all bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigest {
    /// The digest.
    pub sha256: [u8; 32],
    /// How many bytes.
    pub bytes: u64,
}

/// What holds a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Walls that this machine does not give.
    pub missing: Vec<Wall>,
    /// The version of Landlock, if it holds.
    pub landlock: Option<u32>,
    /// Whether it has a database.
    pub database: bool,
    /// Calls that it tried in its jail and that were refused, all of them.
    pub refused: u16,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The number of the job.
    pub number: u64,
    /// How much was seen.
    pub seen: Seen,
    /// What the file is, in ClamAV's word for it; printable ASCII.
    pub file_type: Box<str>,
    /// At most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    /// At most [`MAX_OMISSIONS`].
    pub not_scanned: Vec<Omission>,
    /// Omissions beyond those.
    pub more_not_scanned: u64,
    /// Of all that was scanned of the file; with [`Switch::Digest`](crate::Switch::Digest) alone.
    pub content: Option<ContentDigest>,
}

/// Counters of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of the file, as the kernel says.
    pub size: u64,
    /// Bytes of it that were read.
    pub read: u64,
    /// Objects looked at, the file among them.
    pub objects: u64,
    /// Bytes of them, unpacked.
    pub bytes: u64,
}

/// Something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: What,
    /// Where in the member.
    pub offset: Option<u64>,
    /// In which member.
    pub member: Member,
}

/// What was found, by a number that the opener knows the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A signature of the database.
    Signature(u32),
    /// A heuristic of the engine.
    Heuristic(u8),
}

/// Something was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// Which member.
    pub member: Member,
    /// What it is, in ClamAV's word for it.
    pub file_type: Box<str>,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people; printable ASCII.
    pub text: Box<str>,
}

/// Names of members from the file inwards, in bytes that the file chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    names: Vec<Box<[u8]>>,
    shortened: bool,
}

/// Findings of one file.
pub const MAX_FINDINGS: usize = 64;
/// Omissions of one file.
pub const MAX_OMISSIONS: usize = 64;
/// Bytes of all names of one member. What is beyond is left out, which the member says.
pub const MAX_MEMBER_BYTES: usize = 512;
/// Names of one member: as many as clamscan's largest `--max-recursion`.
pub const MAX_MEMBER_NAMES: usize = 100;
/// Bytes of a text.
pub const MAX_TEXT_BYTES: usize = 200;

const HELLO: u8 = 0;
const OUTCOME: u8 = 1;
const DIGESTED: u8 = 2;

impl Member {
    /// As many of `names` as fit.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let (mut member, mut left) = (Self::default(), MAX_MEMBER_BYTES);
        for name in names {
            let name = name.as_ref();
            let kept = name.get(..left.min(name.len())).unwrap_or_default();
            if member.names.len() == MAX_MEMBER_NAMES || kept.len() < name.len() {
                member.shortened = true;
                break;
            }
            left = left.saturating_sub(kept.len());
            member.names.push(kept.into());
        }
        member
    }

    /// The names, outermost first; none for the file itself.
    #[must_use]
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    /// Whether inner names were left out.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.shortened
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.shortened));
        count(out, self.names.len());
        for name in &self.names {
            count(out, name.len());
            out.extend_from_slice(name);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let shortened = flag(reader, "shortened")?;
        let (mut names, mut bytes) = (Vec::new(), 0_usize);
        for _ in 0..limited(reader, "member names", MAX_MEMBER_NAMES)? {
            let length = limited(reader, "member bytes", MAX_MEMBER_BYTES)?;
            bytes = bytes.saturating_add(length);
            if bytes > MAX_MEMBER_BYTES {
                let limit = MAX_MEMBER_BYTES;
                return Err(MessageError::OverLimit { field: "member bytes", found: bytes, limit });
            }
            names.push(reader.take("member name", length)?.into());
        }
        Ok(Self { names, shortened })
    }
}

impl FromWorker {
    /// The bytes of the message. What is beyond the limits of its lists is counted, not told; text
    /// is made printable.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Hello(hello) => hello.encode(&mut out),
            Self::Outcome(outcome) => outcome.encode(&mut out),
            Self::Digested(digested) => digested.encode(&mut out),
        }
        out
    }

    /// Reads a message of a worker that nobody trusts. Costs its length.
    ///
    /// # Errors
    /// [`MessageError`] for whatever [`FromWorker::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = begin(bytes)?;
        let message = match reader.u8("kind")? {
            HELLO => Self::Hello(Hello::decode(&mut reader)?),
            OUTCOME => Self::Outcome(Outcome::decode(&mut reader)?),
            DIGESTED => Self::Digested(Digested::decode(&mut reader)?),
            other => return Err(MessageError::Unknown { field: "kind", found: other.into() }),
        };
        reader.finish("message")?;
        Ok(message)
    }
}

impl Hello {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(HELLO);
        let missing = Wall::ALL.iter().filter(|wall| self.missing.contains(wall));
        let missing: Vec<u8> = missing.map(|wall| *wall as u8).collect();
        count(out, missing.len());
        out.extend_from_slice(&missing);
        optional(out, self.landlock.map(u64::from));
        out.push(u8::from(self.database));
        out.extend_from_slice(&self.refused.to_le_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let mut missing = Vec::new();
        for _ in 0..limited(reader, "missing walls", Wall::ALL.len())? {
            let wall = Wall::from_number(reader.u8("wall")?)?;
            if missing.last().is_some_and(|last| *last >= wall) {
                return Err(MessageError::Unknown { field: "wall", found: wall as u64 });
            }
            missing.push(wall);
        }
        let landlock = match read_optional(reader, "landlock")? {
            None => None,
            Some(version) => Some(
                u32::try_from(version)
                    .map_err(|_| MessageError::Unknown { field: "landlock", found: version })?,
            ),
        };
        let database = flag(reader, "database")?;
        Ok(Self { missing, landlock, database, refused: reader.u16_le("refused")? })
    }
}

impl Outcome {
    fn encode(&self, out: &mut Vec<u8>) {
        let Seen { size, read, objects, bytes } = self.seen;
        out.push(OUTCOME);
        for number in [self.number, size, read, objects, bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        text(out, &self.file_type);
        count(out, self.findings.len().min(MAX_FINDINGS));
        for finding in self.findings.iter().take(MAX_FINDINGS) {
            finding.encode(out);
        }
        out.extend_from_slice(&beyond(self.more_findings, self.findings.len(), MAX_FINDINGS));
        count(out, self.not_scanned.len().min(MAX_OMISSIONS));
        for omission in self.not_scanned.iter().take(MAX_OMISSIONS) {
            omission.encode(out);
        }
        let more = beyond(self.more_not_scanned, self.not_scanned.len(), MAX_OMISSIONS);
        out.extend_from_slice(&more);
        ContentDigest::encode(self.content, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let number = reader.u64_le("number")?;
        let seen = Seen {
            size: reader.u64_le("size")?,
            read: reader.u64_le("read")?,
            objects: reader.u64_le("objects")?,
            bytes: reader.u64_le("bytes")?,
        };
        let file_type = read_text(reader, "file type")?;
        let mut findings = Vec::new();
        for _ in 0..limited(reader, "findings", MAX_FINDINGS)? {
            findings.push(Finding::decode(reader)?);
        }
        let more_findings = reader.u64_le("more findings")?;
        let mut not_scanned = Vec::new();
        for _ in 0..limited(reader, "omissions", MAX_OMISSIONS)? {
            not_scanned.push(Omission::decode(reader)?);
        }
        let more_not_scanned = reader.u64_le("more omissions")?;
        let content = ContentDigest::decode(reader)?;
        Ok(Self {
            number,
            seen,
            file_type,
            findings,
            more_findings,
            not_scanned,
            more_not_scanned,
            content,
        })
    }
}

impl Digested {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(DIGESTED);
        out.extend_from_slice(&self.number.to_le_bytes());
        ContentDigest::encode(self.content, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let number = reader.u64_le("number")?;
        Ok(Self { number, content: ContentDigest::decode(reader)? })
    }
}

impl ContentDigest {
    fn encode(digest: Option<Self>, out: &mut Vec<u8>) {
        out.push(u8::from(digest.is_some()));
        if let Some(Self { sha256, bytes }) = digest {
            out.extend_from_slice(&sha256);
            out.extend_from_slice(&bytes.to_le_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, MessageError> {
        if !flag(reader, "content")? {
            return Ok(None);
        }
        let sha256 = *reader.array("digest")?;
        Ok(Some(Self { sha256, bytes: reader.u64_le("bytes")? }))
    }
}

impl Finding {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.what {
            What::Signature(number) => {
                out.push(0);
                out.extend_from_slice(&number.to_le_bytes());
            }
            What::Heuristic(number) => out.extend_from_slice(&[1, number]),
        }
        optional(out, self.offset);
        self.member.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let what = match reader.u8("finding")? {
            0 => What::Signature(reader.u32_le("signature")?),
            1 => What::Heuristic(reader.u8("heuristic")?),
            other => return Err(MessageError::Unknown { field: "finding", found: other.into() }),
        };
        Ok(Self { what, offset: read_optional(reader, "offset")?, member: Member::decode(reader)? })
    }
}

impl Omission {
    fn encode(&self, out: &mut Vec<u8>) {
        self.member.encode(out);
        text(out, &self.file_type);
        out.push(self.code as u8);
        text(out, &self.text);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        Ok(Self {
            member: Member::decode(reader)?,
            file_type: read_text(reader, "file type")?,
            code: Code::from_number(reader.u8("code")?)?,
            text: read_text(reader, "text")?,
        })
    }
}

/// A length that its limit keeps small.
fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}

fn limited(
    reader: &mut Reader<'_>,
    field: &'static str,
    limit: usize,
) -> Result<usize, MessageError> {
    let found = usize::from(reader.u16_le(field)?);
    if found > limit { Err(MessageError::OverLimit { field, found, limit }) } else { Ok(found) }
}

fn beyond(counted: u64, listed: usize, limit: usize) -> [u8; 8] {
    let left = u64::try_from(listed.saturating_sub(limit)).unwrap_or(u64::MAX);
    counted.saturating_add(left).to_le_bytes()
}

fn text(out: &mut Vec<u8>, text: &str) {
    let printable = |one: char| if is_printable(one) { one } else { '?' };
    let text: String = text.chars().map(printable).take(MAX_TEXT_BYTES).collect();
    count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn read_text(reader: &mut Reader<'_>, field: &'static str) -> Result<Box<str>, MessageError> {
    let length = limited(reader, field, MAX_TEXT_BYTES)?;
    let text = std::str::from_utf8(reader.take(field, length)?);
    match text {
        Ok(text) if text.chars().all(is_printable) => Ok(text.into()),
        _ => Err(MessageError::Text { field }),
    }
}

fn is_printable(one: char) -> bool {
    one == ' ' || one.is_ascii_graphic()
}

fn optional(out: &mut Vec<u8>, number: Option<u64>) {
    out.push(u8::from(number.is_some()));
    if let Some(number) = number {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn read_optional(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Option<u64>, MessageError> {
    Ok(if flag(reader, field)? { Some(reader.u64_le(field)?) } else { None })
}

fn flag(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, MessageError> {
    match reader.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(MessageError::Unknown { field, found: other.into() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::MAX_MESSAGE_BYTES;

    fn member() -> impl Strategy<Value = Member> {
        vec(vec(any::<u8>(), 0..90), 0..8).prop_map(Member::new)
    }

    fn finding() -> impl Strategy<Value = Finding> {
        let what = prop_oneof![
            any::<u32>().prop_map(What::Signature),
            any::<u8>().prop_map(What::Heuristic)
        ];
        (what, any::<Option<u64>>(), member()).prop_map(|(what, offset, member)| Finding {
            what,
            offset,
            member,
        })
    }

    fn omission() -> impl Strategy<Value = Omission> {
        let code = proptest::sample::select(Code::ALL);
        (member(), "[ -~]{0,20}", code, "[ -~]{0,200}").prop_map(
            |(member, file_type, code, text)| Omission {
                member,
                file_type: file_type.into(),
                code,
                text: text.into(),
            },
        )
    }

    prop_compose! {
        fn outcome()(
            numbers in any::<[u64; 7]>(),
            content in any::<Option<([u8; 32], u64)>>(),
            file_type in "[ -~]{0,30}",
            findings in vec(finding(), 0..5),
            not_scanned in vec(omission(), 0..5),
        ) -> FromWorker {
            let [number, size, read, objects, bytes, more_findings, more_not_scanned] = numbers;
            FromWorker::Outcome(Outcome {
                number,
                seen: Seen { size, read, objects, bytes },
                file_type: file_type.into(),
                findings,
                more_findings,
                not_scanned,
                more_not_scanned,
                content: content.map(|(sha256, bytes)| ContentDigest { sha256, bytes }),
            })
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(message in outcome()) {
            prop_assert_eq!(FromWorker::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn what_is_decoded_is_what_would_be_encoded(message in outcome(), place: usize, byte: u8) {
            let mut bytes = message.encode();
            let place = place % bytes.len();
            bytes[place] = byte;
            if let Ok(message) = FromWorker::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
            prop_assert!(FromWorker::decode(&message.encode()[..place]).is_err());
        }
    }

    #[test]
    fn the_longest_answer_is_within_the_limit() {
        let member = Member::new((0..MAX_MEMBER_NAMES).map(|_| [b'x'; 5]));
        assert!(!member.is_shortened());
        let text: Box<str> = "y".repeat(MAX_TEXT_BYTES).into();
        let finding = Finding {
            what: What::Signature(u32::MAX),
            offset: Some(u64::MAX),
            member: member.clone(),
        };
        let omission =
            Omission { member, file_type: text.clone(), code: Code::Limit, text: text.clone() };
        let longest = FromWorker::Outcome(Outcome {
            number: u64::MAX,
            seen: Seen::default(),
            file_type: text,
            findings: vec![finding; MAX_FINDINGS + 1],
            more_findings: 0,
            not_scanned: vec![omission; MAX_OMISSIONS + 1],
            more_not_scanned: 0,
            content: Some(ContentDigest { sha256: [7; 32], bytes: u64::MAX }),
        });
        let bytes = longest.encode();
        assert!(bytes.len() <= MAX_MESSAGE_BYTES, "{}", bytes.len());
        let Ok(FromWorker::Outcome(read)) = FromWorker::decode(&bytes) else { panic!() };
        assert_eq!((read.findings.len(), read.more_findings), (MAX_FINDINGS, 1));
    }

    #[test]
    fn digests_are_told() {
        let content = Some(ContentDigest { sha256: [3; 32], bytes: 5 });
        for content in [content, None] {
            let digested = FromWorker::Digested(Digested { number: 7, content });
            assert_eq!(FromWorker::decode(&digested.encode()), Ok(digested));
        }
    }

    #[test]
    fn walls_are_told() {
        let hello = FromWorker::Hello(Hello {
            missing: vec![Wall::Network, Wall::Landlock],
            landlock: None,
            database: true,
            refused: 39,
        });
        assert_eq!(FromWorker::decode(&hello.encode()), Ok(hello));
    }

    #[test]
    fn text_that_is_not_printable_is_refused() {
        let mut out = Vec::new();
        text(&mut out, "a\x1bb");
        assert_eq!(&out[2..], b"a?b");
        out[3] = 0x1b;
        let refused = read_text(&mut Reader::new(&out), "text");
        assert_eq!(refused, Err(MessageError::Text { field: "text" }));
    }
}
