//! Who signed a program, where a set knows certificates (`.crb`).
//!
//! As in ClamAV 1.4.6, what somebody trusted signed is good: nothing is told of it, its digest and what
//! is inside of it included. What carries a blocked certificate is told, whether it is trusted or not.

use watchglass_authenticode::{Algorithm, Known, KnownCertificate, Rights, examine};
use watchglass_database::{Database, NameId};
use watchglass_formats::pe::Pe;

use crate::layer::Layer;
use crate::report::Detection;
use crate::scan::{Flow, Scan};
use std::ops::ControlFlow;

/// The certificates of a database.
#[derive(Debug, Default)]
pub(crate) struct Signers<'d> {
    trusted: Vec<KnownCertificate<'d>>,
    blocked: Vec<KnownCertificate<'d>>,
    /// Of those that are blocked.
    names: Vec<NameId>,
}

/// Whether a program is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Somebody trusted signed it.
    Trusted,
    /// Nobody did.
    None,
}

impl<'d> Signers<'d> {
    pub(crate) fn of(database: Option<&Database<'d>>) -> Self {
        let mut signers = Self::default();
        for (name, one) in database.into_iter().flat_map(Database::certificates) {
            let [code, time, certificates] = one.rights;
            let known = KnownCertificate {
                subject: one.subject,
                serial: one.serial,
                modulus: one.modulus,
                rights: Rights { code, time, certificates },
                not_before: one.not_before.into(),
            };
            match (one.is_trusted, name) {
                (true, _) => signers.trusted.push(known),
                (false, Some(name)) => {
                    signers.blocked.push(known);
                    signers.names.push(name);
                }
                (false, None) => {}
            }
        }
        signers
    }

    fn is_empty(&self) -> bool {
        self.trusted.is_empty() && self.blocked.is_empty()
    }
}

impl Scan<'_, '_> {
    /// Asks who signed a program, and tells blocked certificates.
    pub(crate) fn signature(&mut self, layer: &Layer<'_>, pe: &Pe<'_>) -> ControlFlow<(), Trust> {
        let known = self.known;
        let signers = &known.signers;
        if signers.is_empty() {
            return ControlFlow::Continue(Trust::None);
        }
        let Ok(places) = pe.authenticode() else { return ControlFlow::Continue(Trust::None) };
        let table = places.certificate.and_then(|table| layer.bytes.get(table));
        let Some(table) = table else { return ControlFlow::Continue(Trust::None) };
        let digest = |algorithm: Algorithm| {
            algorithm.digest(places.signed.iter().filter_map(|part| layer.bytes.get(part.clone())))
        };
        let certificates = Known { trusted: &signers.trusted, blocked: &signers.blocked };
        let outcome = examine(table, &digest, certificates, known.settings.now);
        for place in outcome.blocked {
            if let Some(name) = signers.names.get(place) {
                self.find(layer, Detection::Signature(*name), None)?;
            }
        }
        let trust = if outcome.trust.is_ok() { Trust::Trusted } else { Trust::None };
        ControlFlow::Continue(trust)
    }

    /// The same as a flow, for what is looked at by itself.
    pub(crate) fn content_alone(
        &mut self,
        layer: &Layer<'_>,
        depth: watchglass_unpack::Depth,
    ) -> Flow {
        self.content(layer, depth).map_continue(|_| ())
    }
}
