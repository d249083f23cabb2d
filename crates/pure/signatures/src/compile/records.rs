//! Signatures that become records of the database.

use watchglass_database::offset as place;
use watchglass_database::{
    Archives, BuildError, Builder, Certificate, Icon, MagicRule, MemberSignature, NamePattern,
    Password,
};
use watchglass_formats as formats;
use watchglass_pcre::{Expression, Options};

use super::encode;
use crate::certificate::Trust;
use crate::container_metadata::ContainerMetadata;
use crate::error::LineError;
use crate::field::{Name, Range};
use crate::file_type::{FileTypeSignature, Magic};
use crate::posix::{self, Translated};

/// Adds a signature on what a container says of a member.
pub(super) fn add_member(
    builder: &mut Builder,
    name: &str,
    signature: &ContainerMetadata,
) -> Result<(), LineError> {
    let file_name = signature.file_name.as_deref().map(expression).transpose()?;
    let kind = signature.container_type.map(|kind| kind.name().as_bytes());
    let range = |range: Option<Range>| range.map(as_compared);
    let signature = MemberSignature {
        container_type: kind.filter(|kind| *kind != b"CL_TYPE_ANY"),
        encrypted: signature.encrypted,
        container_size: range(signature.container_size),
        size_in_container: range(signature.size_in_container),
        real_size: range(signature.real_size),
        position: range(signature.position),
        file_name: file_name
            .as_ref()
            .map(|one| NamePattern { pattern: &one.pattern, caseless: one.caseless }),
    };
    let added: Result<(), BuildError> = builder.add_member(name, &signature);
    Ok(added?)
}

/// A last number of 0 is none, unless the first is 0 as well.
fn as_compared(Range { min, max }: Range) -> std::ops::RangeInclusive<u32> {
    if max == 0 && min != 0 { min..=u32::MAX } else { min..=max }
}

fn expression(text: &[u8]) -> Result<Translated, LineError> {
    let wrong = || LineError::field("FileNameRegex", text, "an extended expression of POSIX");
    let translated = posix::translate(text).ok_or_else(wrong)?;
    let options = Options {
        caseless: translated.caseless,
        dot_all: true,
        dollar_end_only: true,
        ..Options::default()
    };
    let compiled = Expression::compile(&translated.pattern, options);
    let larger = LineError::NotSupported("expressions of this size");
    compiled.map(|_| translated).map_err(|_| larger)
}

/// Adds what tells a type of files, as the table of types takes it.
pub(super) fn add_magic(builder: &mut Builder, rule: &FileTypeSignature) -> Result<(), LineError> {
    let at = |offset| place::Offset::At { place: place::Place::Start(offset), max_shift: 0 };
    let unsupported = LineError::NotSupported("such offsets of types");
    let (kind, offset, bytes) = match &rule.magic {
        Magic::Bytes { offset, bytes } => (0, at(*offset), hex(bytes)),
        Magic::Partition { offset, bytes } => (4, at(*offset), hex(bytes)),
        Magic::Body { offset, body } => {
            (1, encode::offset(*offset).ok_or(unsupported)?, body.to_string())
        }
    };
    let (from, to) = (rule.required.name(), rule.detected.name());
    let entry = formats::Entry {
        kind: formats::Kind::from_number(kind).unwrap_or(formats::Kind::Pattern),
        offset: entry_offset(offset)?,
        bytes,
        from: file_type(from)?,
        to: file_type(to)?,
    };
    let bytes = entry.bytes.clone();
    if !formats::Magic::from_entries([entry]).1.is_empty() {
        return Err(LineError::NotSupported("such patterns of types"));
    }
    let (from, to, bytes) = (from.as_bytes(), to.as_bytes(), bytes.as_bytes());
    Ok(builder.add_magic(&MagicRule { kind, offset, from, to, bytes })?)
}

fn entry_offset(offset: place::Offset) -> Result<formats::Offset, LineError> {
    Ok(match offset {
        place::Offset::Any => formats::Offset::Any,
        place::Offset::At { place: place::Place::Start(from), max_shift } => {
            formats::Offset::At { from, shift: max_shift }
        }
        place::Offset::At { place: place::Place::End(before), max_shift } => {
            formats::Offset::BeforeEnd { before, shift: max_shift }
        }
        place::Offset::At { .. } => return Err(LineError::NotSupported("such offsets of types")),
    })
}

fn file_type(name: &str) -> Result<formats::FileType, LineError> {
    formats::FileType::from_name(name).map_err(|_| LineError::NotSupported("files of such types"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a password that is to be tried.
pub(super) fn add_password(
    builder: &mut Builder,
    password: &crate::password::Password,
) -> Result<(), LineError> {
    let archives = match password.container.map(|kind| kind.name()) {
        Some("CL_TYPE_ZIP") => Archives::Zip,
        Some("CL_TYPE_RAR") => Archives::Rar,
        _ => Archives::Any,
    };
    Ok(builder.add_password(&Password { archives, bytes: &password.password })?)
}

/// Adds a certificate. The name of one that is trusted is told nowhere; one that is blocked is told as
/// ClamAV does it, without `.UNOFFICIAL`.
pub(super) fn add_certificate(
    builder: &mut Builder,
    certificate: &crate::certificate::Certificate,
) -> Result<(), LineError> {
    let is_trusted = certificate.trust == Trust::Trusted;
    let name = match (is_trusted, &*certificate.name) {
        (true, _) => None,
        (false, b"") => Some(Name::parse(UNNAMED)?),
        (false, name) => Some(Name::parse(name)?),
    };
    let row = Certificate {
        is_trusted,
        rights: [certificate.code_sign, certificate.time_sign, certificate.cert_sign],
        subject: certificate.subject,
        serial: certificate.serial,
        not_before: certificate.not_before.unwrap_or(0),
        modulus: &certificate.modulus,
    };
    Ok(builder.add_certificate(name.as_ref().map(Name::as_str), &row)?)
}

const UNNAMED: &[u8] = b"(unnamed CRB rule)";

/// Adds an icon.
pub(super) fn add_icon(builder: &mut Builder, icon: &crate::icon::Icon) -> Result<(), LineError> {
    let numbers =
        |spot: crate::icon::Spot| [spot.average.into(), u32::from(spot.x), u32::from(spot.y)];
    let [first, second] = &icon.groups;
    let spots = [icon.color, icon.gray, icon.bright, icon.dark, icon.edge, icon.no_edge];
    let row = Icon {
        groups: [first, second],
        side: icon.size.into(),
        spots: spots.map(|three| three.map(numbers)),
        spread: icon.spread.map(u32::from),
    };
    Ok(builder.add_icon(&row)?)
}
