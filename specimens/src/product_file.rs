//! Writes the product file of a specimen.

use crate::catalogue::{Course, Specimen};
use crate::configuration::{Mode, Side};
use crate::lab::WORLD_MARK_PATH;
use crate::misdeeds::{document_upload, header_field};
use crate::parameters::Parameters;

/// The product file of a misdeed or its twin. Both make the same claims and are driven in the same
/// way; they differ in the mode that the configuration sets.
///
/// `binaries` is the folder of the built programs on the lab's machine: absolute, or a placeholder.
#[must_use]
pub fn product_file(
    specimen: &'static Specimen,
    side: Side,
    parameters: &Parameters,
    binaries: &str,
) -> String {
    let configuration = configuration(specimen, side, parameters);
    [
        head(specimen, side),
        install(binaries),
        section(
            "configuration",
            &[("path", quoted("/etc/specimen.conf")), ("content", quoted(&configuration))],
        ),
        phases(specimen.course),
        scanner(specimen.course, parameters),
        updater(specimen.course, parameters),
    ]
    .concat()
}

fn head(specimen: &Specimen, side: Side) -> String {
    let (name, line) = match side {
        Side::Misdeed => (specimen.name.to_owned(), specimen.misdeed),
        Side::Twin => (format!("{} (twin)", specimen.name), specimen.twin),
    };
    let name = quoted(&format!("Specimen {name}"));
    format!(
        "# {line}\nschema = 1\n\n[product]\nname = {name}\nvendor = \"Watchglass\"\njurisdiction = \"CH\"\n"
    )
}

fn install(binaries: &str) -> String {
    let files = PROGRAMS.iter().map(|program| {
        let from = quoted(&format!("{binaries}/{program}"));
        let to = quoted(&format!("/usr/local/bin/{program}"));
        section("install.file", &[("from", from), ("to", to), ("mode", "0o755".to_owned())])
    });
    format!("\n[install]\nhost = true\n{}", files.collect::<String>())
}

fn configuration(specimen: &'static Specimen, side: Side, parameters: &Parameters) -> String {
    let watch = if specimen.course == Course::Idle { "watch = {bait}\n" } else { "" };
    format!("{}{watch}", parameters.to_configuration(Mode::Specimen(specimen, side)))
}

fn phases(course: Course) -> String {
    let scan = r#"["specimen-scan", "{bait}", "{samples}"]"#;
    let found = ("expect_exit", "[0, 1]".to_owned());
    let update = phase("update", "updater", r#"["specimen-update"]"#, &[]);
    let update_again = phase("update-again", "updater", r#"["specimen-update"]"#, &[]);
    let between = match course {
        Course::Plain | Course::Report | Course::Header | Course::KeysExcluded => {
            phase("scan", "scanner", scan, &[found])
        }
        Course::Exchange => {
            let ready = ("ready", r#"{ unix = "/run/specimen/updater.sock" }"#.to_owned());
            let drive = ("drive", format!("[{scan}]"));
            phase("exchange", "updater", r#"["specimen-update", "--stay"]"#, &[ready, drive, found])
        }
        Course::Parent => {
            let run = r#"["specimen-update", "--then-scan", "{bait}", "{samples}"]"#;
            phase("update-and-scan", "updater", run, &[found])
        }
        Course::Idle => {
            let ready = ("ready", r#"{ unix = "/run/specimen/service.sock" }"#.to_owned());
            let lasts = [("for", quoted("72h")), ("timeout", quoted("15m"))];
            let idle = [&[ready], lasts.as_slice()].concat();
            let scan = phase("scan", "scanner", scan, &[found]);
            format!("{scan}{}", phase("idle", "scanner", r#"["specimen-service"]"#, &idle))
        }
    };
    format!("{update}{between}{update_again}")
}

fn phase(name: &str, domain: &str, run: &str, more: &[(&str, String)]) -> String {
    let first = [("name", quoted(name)), ("domain", quoted(domain)), ("run", run.to_owned())];
    section("phase", &[first.as_slice(), more].concat())
}

/// The scanner's claims. What a misdeed reads to make sure that it is in the lab is claimed for both
/// sides, so that it makes no difference.
fn scanner(course: Course, parameters: &Parameters) -> String {
    let home: Vec<String> = match course {
        // Nothing hidden at any depth: `**` would also stand for hidden folders.
        Course::KeysExcluded => {
            (0..=MAX_DEPTH).map(|depth| format!("{{bait}}{}", "/[!.]*".repeat(depth))).collect()
        }
        _ => vec!["{bait}/**".to_owned()],
    };
    let home: Vec<&str> = home.iter().map(String::as_str).collect();
    let own: &[&str] = &["{samples}/**", "/var/lib/specimen/signatures.txt"];
    let reads = [home.as_slice(), own, COMMON_READS].concat();
    let mut claims = vec![
        (
            "programs",
            list(&["specimen-scan", "specimen-service", "specimen-ask", "specimen-helper"]),
        ),
        ("reads", list(&reads)),
        ("writes", list(&["/var/lib/specimen/state/**", "/run/specimen/**"])),
        ("listens", list(&["unix:/run/specimen/service.sock"])),
    ];
    if course == Course::Header {
        let length = u64::try_from(header_field::CLAIMED_VALUE.len()).unwrap_or(u64::MAX);
        let header = (parameters.header.as_str(), length);
        claims.push(("contacts", format!("[\n{}]", update_contact(parameters))));
        claims.push(("sends", format!("[\n{}]", update_fields(parameters, &[header]))));
    }
    domain("scanner", &claims)
}

fn updater(course: Course, parameters: &Parameters) -> String {
    let reads = [&["/var/lib/specimen/**"], COMMON_READS].concat();
    let mut contacts = update_contact(parameters);
    let mut sends = update_fields(parameters, &[]);
    let mut writes = vec!["/var/lib/specimen/**"];
    if course == Course::Report {
        contacts +=
            &contact(&parameters.collector_host(), parameters.port, "report of installation");
        sends += &report_fields(parameters);
    }
    if course == Course::Exchange {
        writes.push("/run/specimen/**");
    }
    let mut claims = vec![
        ("programs", list(&["specimen-update"])),
        ("reads", list(&reads)),
        ("writes", list(&writes)),
    ];
    match course {
        Course::Exchange => claims.push(("listens", list(&["unix:/run/specimen/updater.sock"]))),
        Course::Parent => claims.push(("executes", list(&["/usr/local/bin/specimen-scan"]))),
        _ => {}
    }
    claims.push(("contacts", format!("[\n{contacts}]")));
    claims.push(("sends", format!("[\n{sends}]")));
    domain("updater", &claims)
}

fn update_contact(parameters: &Parameters) -> String {
    contact(&parameters.update_host(), 80, "signatures")
}

fn contact(host: &str, port: u16, purpose: &str) -> String {
    format!("  {{ host = {}, port = {port}, purpose = {} }},\n", quoted(host), quoted(purpose))
}

/// The fields of an update request, as `send` writes it, and more.
fn update_fields(parameters: &Parameters, more: &[(&str, u64)]) -> String {
    let own = [("path", 32), ("Host", 64), ("User-Agent", 64), ("Connection", 8)];
    sends(&parameters.update_host(), &[own.as_slice(), more].concat())
}

fn report_fields(parameters: &Parameters) -> String {
    let length = u64::try_from(document_upload::REPORT.len()).unwrap_or(u64::MAX);
    let fields = [
        ("method", 8),
        ("path", 32),
        ("Host", 80),
        ("User-Agent", 64),
        ("Connection", 8),
        ("Content-Length", 4),
        ("body", length),
    ];
    sends(&parameters.collector_host(), &fields)
}

/// Fields that all say the same everywhere.
fn sends(to: &str, fields: &[(&str, u64)]) -> String {
    let field = |(name, max_bytes): &(&str, u64)| {
        format!(
            "    {{ name = {}, class = \"constant\", max_bytes = {max_bytes} }},\n",
            quoted(name)
        )
    };
    let fields: String = fields.iter().map(field).collect();
    format!("  {{ to = {}, per_day = 24, fields = [\n{fields}  ] }},\n", quoted(to))
}

fn domain(name: &str, claims: &[(&str, String)]) -> String {
    format!("\n[domain.{name}]\n{}", pairs(claims))
}

fn section(name: &str, values: &[(&str, String)]) -> String {
    format!("\n[[{name}]]\n{}", pairs(values))
}

fn pairs(values: &[(&str, String)]) -> String {
    values.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn list(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let escape = |character: char| match character {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        control if control.is_control() => format!("\\u{:04X}", u32::from(control)),
        other => other.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Folders below each other in the bait's home, with room.
const MAX_DEPTH: usize = 8;

const PROGRAMS: &[&str] =
    &["specimen-scan", "specimen-update", "specimen-service", "specimen-ask", "specimen-helper"];

/// The routes stand in a folder of each process (proc_pid(5)), where `/proc/net` leads; beside them
/// the C library looks for the bounds of the first stack (pthread_getattr_np(3)).
const COMMON_READS: &[&str] =
    &["/etc/specimen.conf", WORLD_MARK_PATH, "/proc/*/net/route", "/proc/*/maps", "{loader}"];

#[cfg(test)]
mod tests {
    use watchglass_claims::Product;

    use super::*;
    use crate::catalogue::SPECIMENS;
    use crate::configuration::Configuration;

    fn product(specimen: &'static Specimen, side: Side, parameters: &Parameters) -> Product {
        let text = product_file(specimen, side, parameters, "/build/re\"lease");
        Product::parse(&text).unwrap_or_else(|problems| panic!("{}: {problems:?}", specimen.name))
    }

    #[test]
    fn a_misdeed_and_its_twin_claim_the_same_and_are_driven_alike() {
        for byte in 0..8 {
            let parameters = Parameters::from_seed(&[byte; 32]);
            for specimen in SPECIMENS {
                let misdeed = product(specimen, Side::Misdeed, &parameters);
                let twin = product(specimen, Side::Twin, &parameters);
                assert_eq!(misdeed.domains, twin.domains, "{}", specimen.name);
                assert_eq!(misdeed.phases, twin.phases, "{}", specimen.name);
                assert_eq!(misdeed.install, twin.install, "{}", specimen.name);
                assert_ne!(misdeed.configuration, twin.configuration, "{}", specimen.name);
            }
        }
    }

    #[test]
    fn the_configuration_in_the_file_is_the_specimens() {
        let parameters = Parameters::from_seed(&[3; 32]);
        for specimen in SPECIMENS {
            for side in [Side::Misdeed, Side::Twin] {
                let laid = product(specimen, side, &parameters).configuration;
                let read = Configuration::parse(&laid[0].content).unwrap();
                assert_eq!(read.parameters, parameters);
                let Mode::Specimen(read, read_side) = read.mode else { panic!("no specimen") };
                assert_eq!((read.name, read_side), (specimen.name, side));
            }
        }
    }

    #[test]
    fn no_product_file_says_itself_that_the_world_is_the_labs() {
        let parameters = Parameters::from_seed(&[3; 32]);
        for specimen in SPECIMENS {
            let product = product(specimen, Side::Misdeed, &parameters);
            assert!(product.configuration.iter().all(|laid| laid.path != WORLD_MARK_PATH));
        }
    }
}
