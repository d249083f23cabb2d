//! TLS ended at the gate, with a certificate for whatever name the subject asks for.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::{Accepted, Acceptor, NoServerSessionStorage};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use watchglass_events::{Name, TlsFacts};

use crate::authority::{Authority, Signer};
use crate::control::FakenetError;
use crate::wire::Raw;

/// Ends TLS for every name.
pub(crate) struct TlsGate {
    signer: Signer,
    /// Certificates made so far, by name and by whether `http/1.1` is agreed on.
    configurations: Mutex<BTreeMap<(String, bool), Arc<ServerConfig>>>,
}

/// A stream whose handshake succeeded.
pub(crate) struct Secured {
    /// The clear-text side.
    pub(crate) stream: StreamOwned<ServerConnection, Raw>,
    /// What the handshake told.
    pub(crate) facts: TlsFacts,
}

/// A stream whose handshake failed.
pub(crate) struct Failed {
    /// What the handshake told until then.
    pub(crate) facts: TlsFacts,
    /// Why.
    pub(crate) reason: String,
}

impl TlsGate {
    /// Prepares to sign for `authority`.
    pub(crate) fn new(authority: &Authority) -> Result<Self, FakenetError> {
        Ok(Self { signer: authority.signer()?, configurations: Mutex::default() })
    }

    /// Does the handshake. `certificate_name` says which name the certificate is to have, given the
    /// one that was asked for, or else the address.
    pub(crate) fn accept(
        &self,
        mut raw: Raw,
        address: IpAddr,
        patience: Duration,
        certificate_name: impl Fn(&str) -> String,
    ) -> Result<Secured, Box<Failed>> {
        raw.hurry(patience);
        let mut facts = TlsFacts { server_name: None, alpn: None, version: String::new() };
        let accepted = client_hello(&mut raw).map_err(|reason| failed(&facts, reason))?;
        let hello = accepted.client_hello();
        facts.server_name = hello.server_name().map(Name::from);
        let wanted = hello.server_name().map_or_else(|| address.to_string(), str::to_owned);
        let offers_http = hello.alpn().is_some_and(|mut names| names.any(|name| name == HTTP));
        let configuration = self.configuration(certificate_name(&wanted), offers_http);
        let configuration = configuration.map_err(|error| failed(&facts, error.to_string()))?;
        let mut connection =
            accepted.into_connection(configuration).map_err(|(error, mut alert)| {
                let _ = alert.write_all(&mut raw);
                failed(&facts, error.to_string())
            })?;
        while connection.is_handshaking() {
            let step = connection.complete_io(&mut raw);
            step.map_err(|error| failed(&facts, error.to_string()))?;
        }
        facts.alpn = connection.alpn_protocol().map(Name::new);
        facts.version = connection.protocol_version().map_or_else(String::new, version_name);
        raw.rest();
        Ok(Secured { stream: StreamOwned::new(connection, raw), facts })
    }

    fn configuration(
        &self,
        name: String,
        offers_http: bool,
    ) -> Result<Arc<ServerConfig>, FakenetError> {
        let key = (name, offers_http);
        let lock = || self.configurations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let configuration = Arc::new(self.configure(&key.0, offers_http)?);
        let mut configurations = lock();
        if configurations.len() >= MAX_CERTIFICATES {
            configurations.clear(); // A subject that asks for names without end makes it slow, not big.
        }
        configurations.insert(key, Arc::clone(&configuration));
        Ok(configuration)
    }

    fn configure(&self, name: &str, offers_http: bool) -> Result<ServerConfig, FakenetError> {
        let wrong = |error: rustls::Error| FakenetError::Certificate(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
        let chain = vec![self.signer.sign(name)?];
        let builder = builder.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, self.signer.leaf_key()).map_err(wrong)?;
        // No resumption: every connection shows its whole handshake.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // A client that offers only what is not spoken here gets no agreement instead of an alert.
        config.alpn_protocols = if offers_http { vec![HTTP.to_vec()] } else { vec![] };
        Ok(config)
    }
}

impl std::fmt::Debug for TlsGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsGate").finish_non_exhaustive()
    }
}

fn client_hello(raw: &mut Raw) -> Result<Accepted, String> {
    let mut acceptor = Acceptor::default();
    loop {
        match acceptor.read_tls(&mut raw.by_ref()) {
            Ok(0) => return Err("closed before the end of the ClientHello".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let _ = alert.write_all(raw);
                return Err(error.to_string());
            }
        }
    }
}

fn failed(facts: &TlsFacts, reason: String) -> Box<Failed> {
    Box::new(Failed { facts: facts.clone(), reason })
}

fn version_name(version: rustls::ProtocolVersion) -> String {
    match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

const HTTP: &[u8] = b"http/1.1";
const MAX_CERTIFICATES: usize = 1024;
