//! What really leaves: each misdeed and each twin in a network namespace of this test, whose other
//! end is the test itself. Nothing outside the namespace can be reached.
//!
//! The test starts itself again under `unshare`; the second life lays a scratch folder over `/etc`,
//! makes the link, answers names and connections, and drives the product files.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says its seeds, and what it skips"
)]

mod common;
mod world;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use watchglass_specimens::{
    Configuration, Course, Destination, Mode, Parameters, SPECIMENS, Side, Sort, Specimen,
};
use world::{Received, World};

/// Set in the second life.
const INSIDE: &str = "SPECIMEN_TEST_INSIDE";

#[test]
fn each_misdeed_sends_what_it_takes_and_each_twin_what_it_claims() {
    if std::env::var_os(INSIDE).is_none() {
        world::live_again("each_misdeed_sends_what_it_takes_and_each_twin_what_it_claims", INSIDE);
        return;
    }
    let world = World::build();
    for byte in [1, 2, 3] {
        let parameters = Parameters::from_seed(&[byte; 32]);
        println!("seed {byte}: {parameters}");
        world.become_that_of(&parameters);
        for specimen in SPECIMENS {
            misdeed(&world, specimen, &parameters);
            twin(&world, specimen, &parameters);
        }
    }
    refuses_in_another_world();
}

fn misdeed(world: &World, specimen: &'static Specimen, parameters: &Parameters) {
    if specimen.course == Course::Idle && world::faketime().is_none() {
        skip(specimen.name, "libfaketime is not installed");
        return;
    }
    let run = world.drive(specimen, Side::Misdeed, parameters);
    let received = &run.received;
    let hastened = !cfg!(target_feature = "crt-static");
    let seen = match specimen.name {
        // The catalogue says so of this one: nothing can be preloaded into a static program.
        _ if specimen.expectation.late_when_static && !hastened => received.is_quiet(),
        "encoded-upload" => {
            received.bodies().any(|body| unpack(body, parameters).as_deref() == Some(&run.document))
        }
        "encrypted-upload" => {
            let length = run.document.len();
            received.bodies().any(|body| body.len() == length && body != run.document)
        }
        "dns-labels" => asked(received, parameters) == run.fragment(),
        "header-field" => {
            let header =
                format!("{}: {}", parameters.header, parameters.encoding.encode(run.fragment()));
            received.streams(80).any(|stream| contains(stream, header.as_bytes()))
        }
        "keys-outside-claim" => run.printed.contains(".ssh/id_ed25519: OK") && received.is_quiet(),
        "marking-search" => {
            let count = format!("GET {}?n=2 HTTP/1.1", parameters.path);
            received.streams(parameters.port).any(|stream| stream.starts_with(count.as_bytes()))
        }
        "persistent-identifier" => {
            let agents: Vec<_> = received.streams(80).filter_map(user_agent).collect();
            agents.len() == 2 && agents[0] == agents[1] && agents[0].len() == 50
        }
        "packet-socket" => received.datagrams.iter().any(|sent| run.fragment().starts_with(sent)),
        "hash-report" => {
            use sha2::Digest as _;
            let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&run.document));
            received.bodies().any(|body| contains(body, digest.as_bytes()))
        }
        "udp-beacon" => received.datagrams.len() == 2 && received.datagrams[0] == b"alive",
        "silent-scanner" => run.printed.is_empty() && received.is_quiet(),
        _ => received.bodies().any(|body| body == run.document),
    };
    assert!(seen, "{}: {received:?}\nprinted: {}", specimen.name, run.printed);
    assert!(run.went_as_expected, "{}: {}", specimen.name, run.printed);
}

fn twin(world: &World, specimen: &'static Specimen, parameters: &Parameters) {
    let run = world.drive(specimen, Side::Twin, parameters);
    assert!(run.went_as_expected, "{} twin: {}", specimen.name, run.printed);
    let received = &run.received;
    let reports: Vec<_> = received.streams(parameters.port).collect();
    let claimed = if specimen.course == Course::Report { 2 } else { 0 };
    assert_eq!(reports.len(), claimed, "{} twin: {received:?}", specimen.name);
    assert!(reports.iter().all(|stream| contains(stream, b"\r\n\r\nreferee 1.0 installed")));
    assert!(received.datagrams.is_empty(), "{} twin: {received:?}", specimen.name);
    let agents: Vec<_> = received.streams(80).filter_map(user_agent).collect();
    // Two updates, and what the course adds: the scanner's own question, or another update.
    let requests = match specimen.course {
        Course::Header | Course::Exchange | Course::Parent => 3,
        Course::Plain | Course::Report | Course::KeysExcluded | Course::Idle => 2,
    };
    assert_eq!(agents.len(), requests, "{} twin: {received:?}", specimen.name);
    assert!(agents.iter().all(|agent| agent == "Referee/1.0"), "{} twin", specimen.name);
    assert!(asked(received, parameters).is_empty(), "{} twin", specimen.name);
    let skips_keys = specimen.course == Course::KeysExcluded;
    assert_eq!(run.printed.contains(".ssh/id_ed25519: OK"), !skips_keys, "{}", specimen.name);
    assert!(run.printed.contains("Eicar-Test FOUND"), "{}: {}", specimen.name, run.printed);
}

/// The right token alone is not enough, and neither is the right network.
fn refuses_in_another_world() {
    let parameters = Parameters::from_seed(&[1; 32]);
    let specimen = SPECIMENS.iter().find(|specimen| specimen.name == "document-upload").unwrap();
    let configuration = parameters.to_configuration(Mode::Specimen(specimen, Side::Misdeed));
    let scratch = common::Scratch::with(&configuration);
    let refusal = || {
        let output = scratch.run("specimen-scan", &[scratch.home().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write("/etc/watchglass-world", "another token\n").unwrap();
    assert!(refusal().contains("the token does not match"));
    std::fs::write("/etc/watchglass-world", &parameters.token).unwrap();
    world::run("ip address add 10.78.0.2/24 dev eth0");
    world::run("ip address del 10.77.0.2/24 dev eth0");
    assert!(refusal().contains("the routes are not those"));
    world::run("ip address add 10.77.0.2/24 dev eth0");
    world::run("ip address del 10.78.0.2/24 dev eth0");
    std::fs::write(scratch.home().join("a.txt"), "text").unwrap();
    std::fs::write("/etc/hosts", format!("10.77.0.1 {}\n", parameters.collector_host())).unwrap();
    assert!(refusal().contains("does not resolve to a documentation address"));
}

/// What was taken, as the world's own knowledge of the bait says.
pub(crate) struct Run {
    document: Vec<u8>,
    printed: String,
    went_as_expected: bool,
    received: Received,
}

impl Run {
    fn fragment(&self) -> &[u8] {
        &self.document[..self.document.len().min(1536)]
    }
}

/// The document that the key of the parameters chooses for what this specimen is after.
pub(crate) fn taken(specimen: &Specimen, parameters: &Parameters, bait: &[PathBuf]) -> Vec<u8> {
    let wants_text = specimen.expectation.destination == Destination::Resolver
        || matches!(specimen.name, "header-field" | "packet-socket");
    let sort = if wants_text { Sort::Text } else { Sort::Document };
    let paths = bait.iter().map(PathBuf::as_path);
    let chosen = parameters.pick.among(sort, paths).unwrap();
    std::fs::read(chosen).unwrap()
}

fn unpack(body: &[u8], parameters: &Parameters) -> Option<Vec<u8>> {
    use watchglass_specimens::Encoding;
    let bytes = match parameters.encoding {
        Encoding::Base64 => data_encoding::BASE64.decode(body),
        Encoding::Base64Url => data_encoding::BASE64URL.decode(body),
        Encoding::Hex => data_encoding::HEXLOWER.decode(body),
    };
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(bytes.ok()?.as_slice()).read_to_end(&mut content).ok()?;
    Some(content)
}

/// What the names carried that were asked for below the collector. The resolver asks for each name
/// twice, for IPv4 and IPv6.
fn asked(received: &Received, parameters: &Parameters) -> Vec<u8> {
    let zone = format!(".{}", parameters.collector_host());
    let mut carried: Vec<&str> = Vec::new();
    for name in &received.names {
        if let Some(labels) = name.strip_suffix(&zone)
            && carried.last() != Some(&labels)
        {
            carried.push(labels);
        }
    }
    let decode = |labels: &&str| {
        let text = labels.replace('.', "").to_ascii_uppercase();
        data_encoding::BASE32_NOPAD.decode(text.as_bytes()).unwrap()
    };
    carried.iter().flat_map(decode).collect()
}

fn user_agent(stream: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stream);
    let line = text.lines().find_map(|line| line.strip_prefix("User-Agent: "))?;
    Some(line.to_owned())
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

pub(crate) fn skip(test: &str, why: &str) {
    assert!(
        std::env::var_os("WATCHGLASS_STRICT").is_none(),
        "skipped in strict mode: {test}: {why}"
    );
    eprintln!("skipped: {test}: {why}");
}

#[test]
fn the_scratch_configuration_is_the_specimens_own() {
    let parameters = Parameters::from_seed(&[1; 32]);
    let text = parameters.to_configuration(Mode::Referee);
    let configuration = Configuration::parse(&format!("{text}\ndatabase = /x\n")).unwrap();
    assert_eq!(configuration.database, Path::new("/x"));
}
