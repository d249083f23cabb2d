//! What a TLS ClientHello says (RFC 8446, 4.1.2).
//!
//! The client's first flight may come in several records and any number of segments; [`parse`] takes
//! the beginning of the client's stream.

use watchglass_bytes::{ReadError, Reader};

/// What a ClientHello tells everyone on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The host name asked for (RFC 6066, 3). Hostile bytes.
    pub server_name: Option<Vec<u8>>,
    /// Protocols offered (RFC 7301), in order. Hostile bytes.
    pub alpn: Vec<Vec<u8>>,
    /// The highest version offered, such as 0x0304 for TLS 1.3.
    pub version: u16,
    /// Whether the name is hidden in an encrypted ClientHello (extension 65037).
    pub encrypted: bool,
}

/// Whether a stream that begins with these bytes can be TLS: a handshake record of SSL 3 or later.
#[must_use]
pub fn looks_like_tls(start: &[u8]) -> bool {
    matches!(start, [HANDSHAKE, 3, ..])
}

/// Reads the ClientHello at the beginning of a client's stream.
///
/// # Errors
/// A [`ReadError`] that names the field where the bytes end or declare too much. A stream that is not
/// TLS fails at `content type`.
pub fn parse(stream: &[u8]) -> Result<ClientHello, ReadError> {
    let message = handshake_message(stream)?;
    let mut reader = Reader::new(&message);
    let legacy_version = reader.u16_be("legacy_version")?;
    reader.take("random", 32)?;
    let length = reader.u8("legacy_session_id")?;
    reader.take("legacy_session_id", length.into())?;
    let length = reader.u16_be("cipher_suites")?;
    reader.take("cipher_suites", length.into())?;
    let length = reader.u8("legacy_compression_methods")?;
    reader.take("legacy_compression_methods", length.into())?;
    let mut hello = ClientHello { version: legacy_version, ..ClientHello::default() };
    if reader.is_empty() {
        return Ok(hello); // TLS 1.2 and before may come without extensions.
    }
    let length = reader.u16_be("extensions")?;
    let mut extensions = reader.sub("extensions", length.into())?;
    reader.finish("ClientHello")?;
    while !extensions.is_empty() {
        let kind = extensions.u16_be("extension_type")?;
        let length = extensions.u16_be("extension_data")?;
        extension(&mut hello, kind, extensions.sub("extension_data", length.into())?)?;
    }
    Ok(hello)
}

/// The ClientHello's body, put together from its records.
fn handshake_message(stream: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut records = Reader::new(stream);
    let mut message = Vec::new();
    loop {
        let kind = records.u8("content type")?;
        limit("content type", kind.abs_diff(HANDSHAKE).into(), 0)?;
        records.take("legacy_record_version", 2)?;
        let length = records.u16_be("record length")?;
        limit("record length", length.into(), MAX_RECORD_BYTES)?;
        message.extend_from_slice(records.take("record", length.into())?);
        let mut reader = Reader::new(&message);
        let Ok([kind, length @ ..]) = reader.array::<4>("handshake") else { continue };
        limit("handshake type", kind.abs_diff(CLIENT_HELLO).into(), 0)?;
        let [high, middle, low] = *length;
        let length = u32::from_be_bytes([0, high, middle, low]);
        limit("handshake length", length.into(), MAX_HELLO_BYTES)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Ok(body) = reader.take("handshake", length) {
            return Ok(body.to_vec());
        }
    }
}

fn extension(hello: &mut ClientHello, kind: u16, mut data: Reader<'_>) -> Result<(), ReadError> {
    match kind {
        SERVER_NAME => hello.server_name = server_name(data)?,
        ALPN => hello.alpn = protocols(data)?,
        SUPPORTED_VERSIONS => {
            let length = data.u8("supported_versions")?;
            let mut versions = data.sub("supported_versions", length.into())?;
            while !versions.is_empty() {
                let version = versions.u16_be("supported_versions")?;
                // 0x?a?a are meant to be ignored (RFC 8701).
                let is_grease = version & 0x0f0f == 0x0a0a;
                hello.version = hello.version.max(if is_grease { 0 } else { version });
            }
        }
        ENCRYPTED_CLIENT_HELLO => hello.encrypted = true,
        _ => {}
    }
    Ok(())
}

fn server_name(mut data: Reader<'_>) -> Result<Option<Vec<u8>>, ReadError> {
    let length = data.u16_be("server_name_list")?;
    let mut names = data.sub("server_name_list", length.into())?;
    while !names.is_empty() {
        let kind = names.u8("name_type")?;
        let length = names.u16_be("host_name")?;
        let name = names.take("host_name", length.into())?;
        if kind == 0 {
            return Ok(Some(name.to_vec()));
        }
    }
    Ok(None)
}

fn protocols(mut data: Reader<'_>) -> Result<Vec<Vec<u8>>, ReadError> {
    let length = data.u16_be("protocol_name_list")?;
    let mut names = data.sub("protocol_name_list", length.into())?;
    let mut protocols = Vec::new();
    while !names.is_empty() {
        let length = names.u8("protocol_name")?;
        protocols.push(names.take("protocol_name", length.into())?.to_vec());
    }
    Ok(protocols)
}

fn limit(field: &'static str, found: u64, limit: u64) -> Result<(), ReadError> {
    if found > limit { Err(ReadError::OverLimit { field, found, limit }) } else { Ok(()) }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 65037;

/// Bytes of a record in clear (RFC 8446, 5.1).
const MAX_RECORD_BYTES: u64 = 1 << 14;

/// Bytes of a ClientHello: with post-quantum key shares they are below 2 KiB, so this is ample.
const MAX_HELLO_BYTES: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sized(width: usize, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&length[4 - width..], body].concat()
    }

    fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body =
            [&[3, 3][..], &[9; 32], &[0], &sized(2, &[0x13, 1]), &sized(1, &[0])].concat();
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &sized(2, data)].concat())
            .collect();
        body.extend_from_slice(&sized(2, &extensions));
        [&[CLIENT_HELLO][..], &sized(3, &body)].concat()
    }

    fn sample() -> Vec<u8> {
        let name = sized(2, &[&[0][..], &sized(2, b"database.clamav.net")].concat());
        let alpn = sized(2, &[sized(1, b"h2"), sized(1, b"http/1.1")].concat());
        let versions = sized(1, &[0x5a, 0x5a, 3, 4, 3, 3]);
        hello(&[(0, name), (16, alpn), (43, versions), (65037, vec![])])
    }

    fn record(body: &[u8]) -> Vec<u8> {
        [&[HANDSHAKE, 3, 1][..], &sized(2, body)].concat()
    }

    fn expected() -> ClientHello {
        ClientHello {
            server_name: Some(b"database.clamav.net".to_vec()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            version: 0x0304,
            encrypted: true,
        }
    }

    #[test]
    fn reads_name_protocols_and_version() {
        assert_eq!(parse(&record(&sample())), Ok(expected()));
    }

    #[test]
    fn a_hello_in_many_records_is_read_and_one_that_breaks_off_is_not() {
        let records: Vec<u8> = sample().chunks(7).flat_map(record).collect();
        assert_eq!(parse(&records), Ok(expected()));
        for end in 0..records.len() {
            assert!(parse(&records[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_not_tls_is_refused() {
        assert!(matches!(parse(b"GET / HTTP/1.1\r\n"), Err(ReadError::OverLimit { .. })));
        assert!(looks_like_tls(&record(&sample())) && !looks_like_tls(b"GET"));
    }

    proptest! {
        #[test]
        fn random_and_damaged_bytes_never_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            damage in proptest::collection::vec((0_usize..150, any::<u8>()), 0..8),
        ) {
            let _ = parse(&noise);
            let _ = parse(&record(&noise));
            let mut bytes = record(&sample());
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) { *byte = value; }
            }
            let _ = parse(&bytes);
        }
    }
}
