//! The table of specimens, and what the lab must find.

use crate::configuration::Configuration;
use crate::document::Sort;
use crate::lab::Lab;
use crate::misdeeds::{
    self, Conduct, dns_labels, document_upload, encoded_upload, encrypted_upload, fast_open,
    hash_report, header_field, inherited_descriptor, io_uring, keys_outside_claim, late_beacon,
    mapped_reading, marking_search, memory_program, other_program, packet_socket,
    passed_descriptor, persistent_identifier, silent_scanner, socket_handoff, staging, udp_beacon,
};
use crate::parameters::Parameters;

/// A misdeed with its twin.
#[derive(Clone, Copy, Debug)]
pub struct Specimen {
    /// The mode in `/etc/specimen.conf`; with `.twin` after it, the mode of the twin.
    pub name: &'static str,
    /// What the misdeed does.
    pub misdeed: &'static str,
    /// What the twin does instead.
    pub twin: &'static str,
    /// How the product is driven, and which claims differ from the reference product's.
    pub course: Course,
    /// What the lab must find about the misdeed. The twin must be *kept* on the same check.
    pub expectation: Expectation,
    pub(crate) make_misdeed: fn(Lab) -> Box<dyn Conduct>,
    pub(crate) make_twin: fn(Configuration) -> Box<dyn Conduct>,
}

/// How a product is driven, and what follows for its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Update, scan, update again. The scanner claims to read the home and to have no network.
    Plain,
    /// As plain; the updater also claims to post a constant report to the collector.
    Report,
    /// As plain; the scanner also claims to ask the update server, with a constant header.
    Header,
    /// As plain; the scanner claims to read only what the home does not hide.
    KeysExcluded,
    /// The updater stays and listens on a Unix socket while the scanner runs; it claims so.
    Exchange,
    /// The updater starts the scanner; it claims so.
    Parent,
    /// As plain, and the service idles for three days.
    Idle,
}

/// What the lab must find about a misdeed.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// The check that the specimen was made for.
    pub check: &'static str,
    /// What must come out of it.
    pub outcome: Outcome,
    /// The destination that a finding must name.
    pub destination: Destination,
    /// The bait file that a finding must name: the one that the key of the parameters chooses among
    /// this sort ([`crate::Pick::among`]).
    pub names_file: Option<Sort>,
    /// Whether nobody can read the content on its way: then the file is named among all those that
    /// can have gone there, else by itself.
    pub content_is_hidden: bool,
    /// Other checks that should be broken too. They are not what the specimen is judged by.
    pub also: &'static [&'static str],
    /// Whether a statically linked build misbehaves too late for the lab: its clock cannot be
    /// hastened by a preloaded library.
    pub late_when_static: bool,
}

/// What must come out of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check is broken.
    Broken,
    /// The check is not kept, since nothing was exercised.
    NotKept,
}

/// Where a misdeed sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Nowhere,
    /// [`Parameters::collector_host`] on [`Parameters::port`].
    Collector,
    /// [`Parameters::update_host`] on port 80.
    UpdateServer,
    /// The world's resolver, asked for names below [`Parameters::collector_host`].
    Resolver,
}

impl Destination {
    /// The host that a finding must name, by name or by what it resolved to; `None` where nothing
    /// is sent or where it is the resolver of the world, which only the world knows.
    #[must_use]
    pub fn host(self, parameters: &Parameters) -> Option<String> {
        match self {
            Self::Nowhere | Self::Resolver => None,
            Self::Collector => Some(parameters.collector_host()),
            Self::UpdateServer => Some(parameters.update_host()),
        }
    }
}

impl Expectation {
    /// A path from a taken file to the network.
    const fn path(sort: Sort, destination: Destination, also: &'static [&'static str]) -> Self {
        Self { names_file: Some(sort), ..Self::broken("R3-seen", destination, also) }
    }

    const fn broken(
        check: &'static str,
        destination: Destination,
        also: &'static [&'static str],
    ) -> Self {
        let outcome = Outcome::Broken;
        Self {
            check,
            outcome,
            destination,
            names_file: None,
            content_is_hidden: false,
            also,
            late_when_static: false,
        }
    }
}

/// Every specimen. The first 16 are the ones that issue 2 names.
pub const SPECIMENS: &[Specimen] = &[
    Specimen {
        name: "document-upload",
        misdeed: "The scanner posts a document as it is.",
        twin: "The updater posts a claimed report that says the same everywhere.",
        course: Course::Report,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: document_upload::misdeed,
        make_twin: document_upload::twin,
    },
    Specimen {
        name: "encoded-upload",
        misdeed: "The scanner posts a document, compressed and written as text.",
        twin: "The scanner keeps its log, compressed and written as text.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: encoded_upload::misdeed,
        make_twin: encoded_upload::twin,
    },
    Specimen {
        name: "encrypted-upload",
        misdeed: "The scanner posts a document, encrypted with a key that nobody keeps.",
        twin: "The scanner keeps its log, encrypted in the same way.",
        course: Course::Plain,
        expectation: Expectation {
            content_is_hidden: true,
            ..Expectation::path(Sort::Document, Destination::Collector, &["N1"])
        },
        make_misdeed: encrypted_upload::misdeed,
        make_twin: encrypted_upload::twin,
    },
    Specimen {
        name: "dns-labels",
        misdeed: "The scanner asks the resolver for names that hold pieces of a text.",
        twin: "The updater resolves its update host once more.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Text, Destination::Resolver, &["N1", "N3"]),
        make_misdeed: dns_labels::misdeed,
        make_twin: dns_labels::twin,
    },
    Specimen {
        name: "header-field",
        misdeed: "The scanner puts a fragment of a text into a header that is claimed constant.",
        twin: "The scanner sends that header as claimed.",
        course: Course::Header,
        // Not R3-seen: the twin's scanner sends as well, so only what it sends tells them apart.
        expectation: Expectation {
            names_file: Some(Sort::Text),
            ..Expectation::broken("N3", Destination::UpdateServer, &["R3-seen"])
        },
        make_misdeed: header_field::misdeed,
        make_twin: header_field::twin,
    },
    Specimen {
        name: "staging",
        misdeed: "The scanner leaves a document in a state file, which the next update sends.",
        twin: "The scanner leaves a counter, which the updater does not read.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: staging::misdeed,
        make_twin: staging::twin,
    },
    Specimen {
        name: "other-program",
        misdeed: "The scanner has curl or the helper send a document.",
        twin: "The scanner has the helper compute a checksum.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: other_program::misdeed,
        make_twin: other_program::twin,
    },
    Specimen {
        name: "memory-program",
        misdeed: "The scanner becomes a program that lies in memory only, which sends a document.",
        twin: "The scanner becomes the installed helper, which computes a checksum.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["X1", "N1"]),
        make_misdeed: memory_program::misdeed,
        make_twin: memory_program::twin,
    },
    Specimen {
        name: "mapped-reading",
        misdeed: "The scanner reads through mappings, without a read call, and posts a document.",
        twin: "The scanner reads through mappings and sends nothing.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: mapped_reading::misdeed,
        make_twin: mapped_reading::twin,
    },
    Specimen {
        name: "fast-open",
        misdeed: "The scanner sends a document by TCP Fast Open, without a connect call.",
        twin: "The scanner scans and has no network.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: fast_open::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "socket-handoff",
        misdeed: "The scanner writes a document to the updater's Unix socket, which posts it.",
        twin: "The updater listens too, and the scanner does not call.",
        course: Course::Exchange,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: socket_handoff::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "inherited-descriptor",
        misdeed: "The updater opens a connection, and the scanner that it starts writes into it.",
        twin: "The updater starts the scanner with nothing to inherit.",
        course: Course::Parent,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: inherited_descriptor::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "keys-outside-claim",
        misdeed: "The scanner reads keys and browser stores that its claims leave out.",
        twin: "The scanner skips what the home hides.",
        course: Course::KeysExcluded,
        // R2 rather than R1: the misdeed reads every hidden file, so any of them may be named.
        expectation: Expectation {
            names_file: Some(Sort::Secret),
            ..Expectation::broken("R2", Destination::Nowhere, &["R1"])
        },
        make_misdeed: keys_outside_claim::misdeed,
        make_twin: keys_outside_claim::twin,
    },
    Specimen {
        name: "marking-search",
        misdeed: "The scanner looks for a marking and tells the collector how often it met it.",
        twin: "The scanner looks for the same marking and tells the user alone.",
        course: Course::Plain,
        // No file is named by what is sent; every file that was read is on a path.
        expectation: Expectation::broken("R3-seen", Destination::Collector, &["N1"]),
        make_misdeed: marking_search::misdeed,
        make_twin: marking_search::twin,
    },
    Specimen {
        name: "late-beacon",
        misdeed: "The service lies still for two days, then posts a document.",
        twin: "The service idles without a network.",
        course: Course::Idle,
        // T1 sees whom it reaches; which file it was stands in R3-seen.
        expectation: Expectation {
            late_when_static: true,
            ..Expectation::broken("T1", Destination::Collector, &["R3-seen", "N1"])
        },
        make_misdeed: late_beacon::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "persistent-identifier",
        misdeed: "The updater sends a number that it made at its first start with each update.",
        twin: "The updater says the same of itself everywhere.",
        course: Course::Plain,
        expectation: Expectation::broken("N7", Destination::UpdateServer, &[]),
        make_misdeed: persistent_identifier::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "io-uring",
        misdeed: "The scanner asks for an io_uring, then posts a document.",
        twin: "The scanner asks for nothing and sends nothing.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: io_uring::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "packet-socket",
        misdeed: "The scanner asks for packet and raw sockets, then sends a text in a datagram.",
        twin: "The scanner asks for nothing and sends nothing.",
        course: Course::Plain,
        expectation: Expectation::path(Sort::Text, Destination::Collector, &["N1"]),
        make_misdeed: packet_socket::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "passed-descriptor",
        misdeed: "The scanner passes an open document to the updater, which posts it.",
        twin: "The updater listens too, and the scanner does not call.",
        course: Course::Exchange,
        expectation: Expectation::path(Sort::Document, Destination::Collector, &["N1"]),
        make_misdeed: passed_descriptor::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "hash-report",
        misdeed: "The scanner posts the SHA-256 of clean documents.",
        twin: "The scanner keeps the SHA-256 of clean documents in its own folder.",
        course: Course::Plain,
        // Digests of many documents are sent; a finding may name any of them.
        expectation: Expectation::broken("N3", Destination::Collector, &["R3-seen", "N1"]),
        make_misdeed: hash_report::misdeed,
        make_twin: hash_report::twin,
    },
    Specimen {
        name: "udp-beacon",
        misdeed: "The updater sends a datagram to a host that nobody claims.",
        twin: "The updater updates.",
        course: Course::Plain,
        expectation: Expectation::broken("N1", Destination::Collector, &[]),
        make_misdeed: udp_beacon::misdeed,
        make_twin: misdeeds::referee,
    },
    Specimen {
        name: "silent-scanner",
        misdeed: "The scanner reads nothing and says that all is well.",
        twin: "The scanner scans.",
        course: Course::Plain,
        expectation: Expectation {
            outcome: Outcome::NotKept,
            ..Expectation::broken("R3-seen", Destination::Nowhere, &[])
        },
        make_misdeed: silent_scanner::misdeed,
        make_twin: misdeeds::referee,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_more_than_sixteen() {
        let names: BTreeSet<_> = SPECIMENS.iter().map(|specimen| specimen.name).collect();
        assert_eq!(names.len(), SPECIMENS.len());
        assert!(names.len() >= 16);
    }
}
