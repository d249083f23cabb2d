use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::product::Product;
use crate::{Glob, InstalledFile, Values};

fn observed(programs: Vec<ObservedProgram>) -> Observed {
    Observed {
        product: Identity { name: "Toy".into(), vendor: "Toys".into(), jurisdiction: "CH".into() },
        install: Install::Debian { packages: vec!["toy".into()], files: Vec::new() },
        configuration: Vec::new(),
        privileges: crate::Privileges::default(),
        phases: vec![ObservedPhase {
            name: "scan".into(),
            run: vec!["toy".into(), "--json".into(), "{bait}".into()],
            program: b"/usr/bin/toy".to_vec(),
            exit: Some(1),
            took: Duration::from_secs(200),
            planned: None,
        }],
        programs,
        bait: b"/home/anna".to_vec(),
        samples: b"/samples".to_vec(),
    }
}

fn toy(reads: &[&str]) -> ObservedProgram {
    ObservedProgram {
        path: b"/usr/bin/toy".to_vec(),
        reads: reads.iter().map(|path| path.as_bytes().to_vec()).collect(),
        ..ObservedProgram::default()
    }
}

#[track_caller]
fn parsed(observed: &Observed) -> Product {
    let text = draft(observed);
    Product::parse(&text).unwrap_or_else(|problems| {
        panic!("{}\n{text}", crate::render_problems(&problems, &text));
    })
}

#[test]
fn puts_placeholders_in_place_of_what_they_mean() {
    let product = parsed(&observed(vec![toy(&[
        "/home/anna",
        "/home/anna/mail/1",
        "/home/annabel/x",
        "/tmp/x",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/etc/ssl/certs/a.pem",
        "/proc/123/status",
        "/etc/a*b",
    ])]));
    let domain = product.domains.get("toy").expect("a domain");
    assert_eq!(
        domain.reads,
        [
            "/etc/a\\*b",
            "/home/annabel/x",
            "/proc/*/status",
            "{bait}/**",
            "{loader}",
            "{tmp}/**",
            "{trust}"
        ]
    );
}

/// Every key that a phase can have, two files of configuration and every privilege.
const PLANNED: &str = r#"
schema = 1
[product]
name = "Toy"
vendor = "Toys"
jurisdiction = "CH"
[install]
host = true
[[configuration]]
path = "/etc/toy.conf"
content = "a = \"{bait}\"\n\tb\n"
[[configuration]]
path = "/etc/toy.d"
append = true
content = "c"
[privileges]
capabilities = ["CAP_SYS_ADMIN"]
families = ["AF_PACKET"]
io_uring = true
[[phase]]
name = "serve"
domain = "toys"
setup = [["mkdir", "/run/toy"], ["true"]]
run = ["toy", "{bait}", "{{bait}}"]
ready = { unix = "/run/toy/socket" }
drive = [["toy", "--ask"]]
user = "nobody"
environment = { TOY = "a b", OTHER = "c" }
stop = "SIGINT"
timeout = "90s"
for = "72h"
expect_exit = [0, 3]
[domain.toys]
programs = ["toy"]
"#;

#[test]
fn keeps_the_plan_that_the_product_was_driven_by() {
    let before = Product::parse(PLANNED).expect("well-formed");
    let seen = |phase: &crate::Phase| ObservedPhase {
        name: phase.name.clone(),
        run: phase.run.0.clone(),
        program: b"/usr/bin/toy".to_vec(),
        exit: Some(7),
        took: Duration::from_secs(1),
        planned: Some(phase.clone()),
    };
    let observed = Observed {
        install: before.install.clone(),
        configuration: before.configuration.clone(),
        privileges: before.privileges.clone(),
        phases: before.phases.iter().map(seen).collect(),
        ..observed(vec![toy(&["/etc/toy.conf"])])
    };
    let after = parsed(&observed);
    assert_eq!(after.configuration, before.configuration);
    assert_eq!(after.privileges, before.privileges);
    let mut phases = after.phases.clone();
    assert_eq!(phases.first().map(|phase| phase.domain.as_str()), Some("toy"));
    phases.iter_mut().for_each(|phase| phase.domain = "toys".to_owned());
    assert_eq!(phases, before.phases);
    assert!(draft(&observed).contains("# It ended with 7"));
}

#[test]
fn crowded_folders_become_one_claim_but_not_the_shallow_ones() {
    let deep: Vec<String> = (0..8).map(|number| format!("/var/lib/toy/{number}.db")).collect();
    let shallow: Vec<String> = (0..8).map(|number| format!("/etc/{number}.conf")).collect();
    let all: Vec<&str> = deep.iter().chain(&shallow).map(String::as_str).collect();
    let product = parsed(&observed(vec![toy(&all)]));
    let reads = &product.domains.get("toy").expect("a domain").reads;
    assert_eq!(reads.len(), 9);
    assert!(reads.contains(&"/var/lib/toy/**".to_owned()));
}

#[test]
fn what_varied_is_drafted_as_the_claim_that_is_worth_least() {
    let field = |name: &str, values| ObservedField { name: name.into(), max_bytes: 40, values };
    let contact = ObservedContact {
        host: "Update.Toys.CH".into(),
        port: 443,
        udp: false,
        fields: vec![field("Accept", 1), field("User-Agent", 2)],
        messages: 3,
    };
    let program = ObservedProgram { contacts: vec![contact], ..toy(&[]) };
    let product = parsed(&observed(vec![program]));
    let why: Vec<&str> = product.vacuous().iter().map(|vacuous| vacuous.why).collect();
    assert_eq!(why, ["any number of messages a day", "the contents of files may be sent"]);
}

#[test]
fn arguments_are_not_taken_for_placeholders() {
    let product = parsed(&observed(vec![toy(&[])]));
    let values = Values {
        bait: "/b".into(),
        samples: "/s".into(),
        product: "/p".into(),
        specimens: "/x".into(),
    };
    let filled = product.fill(&values).expect("values");
    let run = &filled.phases.first().expect("a phase").run.0;
    assert_eq!(run, &["/usr/bin/toy", "--json", "{bait}"]);
}

#[test]
fn thousands_of_folders_still_fit_into_one_list() {
    let paths: Vec<String> = (0..3000)
        .map(|number| format!("/a{}/b{}/c{number}/d", number % 40, number % 200))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let product = parsed(&observed(vec![toy(&paths)]));
    let reads = &product.domains.get("toy").expect("a domain").reads;
    let globs: Vec<Glob> = reads.iter().map(|glob| Glob::parse(glob).expect("a glob")).collect();
    for path in paths {
        assert!(globs.iter().any(|glob| glob.matches(path.as_bytes())), "{path}");
    }
}

fn any_path() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..20),
        vec(vec(1_u8.., 1..6), 1..5).prop_map(|names| names
            .iter()
            .flat_map(|name| [b"/", name.as_slice()].concat())
            .collect()),
        "(/(proc|tmp|etc|home|anna|usr|bin|toy|[0-9]|\\PC)){1,5}".prop_map(String::into_bytes),
    ]
}

fn any_program() -> impl Strategy<Value = ObservedProgram> {
    let contact = (any::<String>(), any::<u16>(), any::<bool>(), any::<u32>());
    let field = (any::<String>(), any::<u64>(), 0_u64..3);
    let contacts = vec(
        (prop_oneof!["[a-c]\\.org", any::<String>()], contact, vec(field, 0..4)).prop_map(
            |(host, (_, port, udp, messages), fields)| ObservedContact {
                host,
                port,
                udp,
                messages,
                fields: fields
                    .into_iter()
                    .map(|(name, max_bytes, values)| ObservedField { name, max_bytes, values })
                    .collect(),
            },
        ),
        0..4,
    );
    let paths = || btree_set(any_path(), 0..12);
    (any_path(), paths(), paths(), paths(), btree_set(any::<String>(), 0..3), contacts).prop_map(
        |(path, reads, writes, executes, listens, contacts)| ObservedProgram {
            path,
            reads,
            writes,
            executes,
            listens,
            contacts,
        },
    )
}

fn any_phase() -> impl Strategy<Value = ObservedPhase> {
    (any::<String>(), vec(any::<String>(), 0..4), any_path(), any::<Option<i32>>(), any::<u64>())
        .prop_map(|(name, run, program, exit, seconds)| ObservedPhase {
            name,
            run,
            program,
            exit,
            took: Duration::from_secs(seconds),
            planned: None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_draft_parses_and_covers_what_was_seen(
        words in vec(any::<String>(), 3),
        programs in vec(any_program(), 0..4),
        phases in vec(any_phase(), 0..4),
        bait in any_path(),
    ) {
        let mut observed = observed(programs);
        observed.product = Identity {
            name: words[0].clone(), vendor: words[1].clone(), jurisdiction: words[2].clone(),
        };
        observed.phases = phases;
        observed.bait = bait;
        let product = parsed(&observed);
        prop_assert!(product.domains.len() <= observed.programs.len().max(1));
    }

    #[test]
    fn every_path_that_can_be_claimed_is_covered(reads in btree_set(any_path(), 0..40)) {
        let mut program = toy(&[]);
        program.reads = reads.clone();
        let observed = observed(vec![program]);
        let values = Values {
            bait: "/home/anna".into(), samples: "/samples".into(), product: "/p".into(),
            specimens: "/x".into(),
        };
        let product = parsed(&observed).fill(&values).expect("values");
        let claims = product.read_claims(&product.domains["toy"]).expect("globs");
        let everything = Glob::parse("/**").expect("a glob");
        for path in reads.iter().filter(|path| everything.matches(path) && !path.contains(&0)) {
            prop_assert!(claims.matches(path), "{:?}", path.escape_ascii().to_string());
        }
    }
}

#[test]
fn installed_files_are_kept() {
    let mut observed = observed(vec![toy(&[])]);
    let file = InstalledFile { from: "{product}/toy".into(), to: "/opt/toy".into(), mode: 0o755 };
    observed.install = Install::Host { files: vec![file] };
    assert_eq!(parsed(&observed).install, observed.install);
}

#[test]
fn a_hundred_thousand_paths_are_folded() {
    let paths: Vec<String> = (0..100_000)
        .map(|number| format!("/d{}/e{number}/f{}/g", number % 7, number % 3))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    parsed(&observed(vec![toy(&paths)]));
}
