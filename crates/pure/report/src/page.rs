//! The page.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use watchglass_checks::results::{
    CheckResult, ClaimRow, Evidence, Finding, Made, Results, SourceFacts, State, WitnessPath,
};
use watchglass_events::Tier;

use crate::{drawing, text};

const STYLE: &str = include_str!("style.css");

/// Forbids everything but the page's own style sheet, should anything slip through.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The report as one HTML file. The same results give the same bytes.
#[must_use]
pub fn page(results: &Results) -> String {
    let title = format!("{}: {}", results.subject.name, results.verdict.state);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) " · Watchglass" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (hallmark(results)) }
                nav aria-label="Sections" { (contents()) }
                main {
                    (questions(results))
                    (read_and_sent(results))
                    (witnesses(results))
                    (claims(results))
                    (checks(results))
                    (residue(results))
                    (blind(results))
                    (made(results))
                }
                footer { p { "Derived from the evidence beside this file. Check it again, offline: " code { "watchglass recheck ." } } }
            }
        }
    };
    text::printable(&page.into_string())
}

/// Sections by anchor and heading, in order.
const SECTIONS: &[(&str, &str)] = &[
    ("questions", "Questions"),
    ("activity", "Reads and sends"),
    ("paths", "Paths"),
    ("claims", "Claims"),
    ("checks", "Checks"),
    ("residue", "On disk"),
    ("blind", "Not seen"),
    ("made", "Environment"),
];

fn contents() -> Markup {
    html! { ul { @for (id, heading) in SECTIONS { li { a href=(format!("#{id}")) { (heading) } } } } }
}

fn hallmark(results: &Results) -> Markup {
    let (subject, verdict, made) = (&results.subject, &results.verdict, &results.made);
    html! {
        p.brand { "Watchglass assay" }
        h1 { (subject.name) span.vendor { " by " (subject.vendor) " (" (subject.jurisdiction) ")" } }
        p.verdict.(class(verdict.state)) { (badge(verdict.state)) " " (verdict.sentence) }
        dl.facts {
            div { dt { "Grade" } dd { (verdict.grade) " of 3: " (grade_in_words(verdict.grade)) } }
            div { dt { "Instrument" } dd { (tier_in_words(made.tier)) } }
            div { dt { "World" } dd { (world_in_words(&made.world)) "; " (network_in_words(&made.network)) } }
            div { dt { "Date" } dd { (text::utc(made.began_unix_seconds)) } }
            div { dt { "Packages" } dd { @if subject.packages.is_empty() { "none" } @for package in &subject.packages { span.package { (package) } " " } } }
            div { dt { "Product file" } dd { code { (subject.product_file_sha256) } } }
            div { dt { "Inventory" } dd { code { (subject.inventory_sha256) } } }
        }
        @if !verdict.caps.is_empty() {
            h2 { "What stops the next grade" }
            ul.caps { @for cap in &verdict.caps { li { (cap) } } }
        }
    }
}

fn grade_in_words(grade: u8) -> &'static str {
    match grade {
        0 => "a claim is broken",
        1 => "observed: nothing was seen broken, but not everything was tested or could be told",
        2 => "kept: every claim was tested and kept",
        _ => "contained: every claim was kept, and what reads bait could not reach the network",
    }
}

fn tier_in_words(tier: Tier) -> &'static str {
    match tier {
        Tier::T0 => "tier T0: system calls by ptrace, files on disk, packets on the link",
        Tier::T1 => "tier T1: programs in the kernel (BPF), files on disk, packets on the link",
        Tier::T2 => {
            "tier T2: security hooks in the kernel (BPF), files on disk, packets on the link"
        }
    }
}

/// A word that this version does not know is shown as it is.
fn world_in_words(world: &str) -> &str {
    match world {
        "debian" => "a sealed root of Debian packages",
        "host" => "the assayer's own root, sealed and emptied of its users' files",
        "in_place" => "none: the product ran among the assayer's own processes",
        other => other,
    }
}

fn network_in_words(network: &str) -> &str {
    match network {
        "vendor" => "the maker's servers were played by the lab",
        "none" => "nothing answered on the network",
        "real" => "the real network, recorded",
        other => other,
    }
}

fn badge(state: State) -> Markup {
    html! { span.badge.(class(state)) { (state.to_string()) } }
}

fn class(state: State) -> &'static str {
    match state {
        State::Broken => "broken",
        State::NotTested => "untested",
        State::Inconclusive => "inconclusive",
        State::Kept => "kept",
    }
}

fn questions(results: &Results) -> Markup {
    html! {
        section #questions {
            h2 { "Questions" }
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "Question" } th scope="col" { "State" } th scope="col" { "Checks" } } }
                tbody { @for question in &results.questions {
                    tr {
                        th scope="row" { (question.id) }
                        td { (question.text) }
                        td { (badge(question.state)) }
                        td.checks { @for check in results.checks.iter().filter(|check| check.question == question.id) {
                            a.chip.(class(check.state)) href=(format!("#check-{}", check.id)) title=(check.reason) { (check.id) " " span.title { (check.title) } span.hidden { ", " (check.state.to_string()) } } " "
                        } }
                    }
                } }
            } }
            p.key { "Checks by colour: " @for state in [State::Kept, State::Inconclusive, State::Broken, State::NotTested] { span.chip.(class(state)) { (state.to_string()) } " " } }
        }
    }
}

fn read_and_sent(results: &Results) -> Markup {
    let seen = &results.seen;
    html! {
        section #activity {
            h2 { "Reads and sends" }
            p.key { span.swatch.bait {} " opens bait " span.swatch.read {} " opens other files " span.swatch.sent {} " sends" }
            @for run in &results.made.runs {
                @let open = run.name == "A1";
                details open[open] {
                    summary { "Run " (run.name) ", " (text::duration(run.took_ms)) ", " (run.events) " events" }
                    div.picture role="group" aria-label="Picture" tabindex="0" { (drawing::timeline(&run.name, &seen.phases, &seen.timeline)) }
                }
            }
            h3 { "Identifiers" }
            @if seen.identifiers.is_empty() { p { "No value was seen to stay the same in one installation and differ in another." } }
            @for identifier in &seen.identifiers {
                div.identifier.unclaimed[!identifier.claimed] {
                    p { strong { (identifier.program) } " sends " strong { (identifier.place) } " to " strong { (identifier.destination) } ". " (identifier.meaning)
                        @if let Some(path) = &identifier.stored_in { " It lies in " code { (path) } "." }
                        @if identifier.claimed { " The product claims it." } @else { " The product does not claim it." } }
                    dl.values { @for value in &identifier.values { div { dt { "run " (value.run) } dd { code { (value.value) } } } } }
                    (evidence(&identifier.evidence))
                }
            }
            h3 { "Destinations" }
            (destinations(results))
            h3 { "Programs" }
            (programs(results))
            h3 { "Bytes must add up" }
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Run" } th.number scope="col" { "On the link" } th.number scope="col" { "Sent by processes" } th.number scope="col" { "Read in clear" } th.number scope="col" { "Opaque" } } }
                tbody { @for row in &seen.conservation {
                    tr { th scope="row" { (row.run) } td.number { (row.link_bytes) " B" } td.number { (row.process_bytes) " B" } td.number { (row.explained_bytes) " B" } td.number { (row.opaque_bytes) " B" } }
                } }
            } }
        }
    }
}

fn destinations(results: &Results) -> Markup {
    html! {
        @if results.seen.destinations.is_empty() { p { "Nothing was sent." } } @else {
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Host" } th scope="col" { "Service" } th scope="col" { "Sender" } th.number scope="col" { "Sent" } th.number scope="col" { "Received" } th scope="col" { "Runs" } th scope="col" { "Claimed" } th scope="col" { "For instance" } } }
                tbody { @for to in &results.seen.destinations {
                    tr {
                        th scope="row" { (to.host) ":" (to.port) "/" (to.transport) }
                        td { (to.service) }
                        td { @for sender in &to.senders { code { (sender) } " " } }
                        td.number { (text::bytes(to.sent_bytes)) }
                        td.number { (text::bytes(to.received_bytes)) }
                        td { (to.runs.join(", ")) }
                        td { (yes_or_no(to.claimed)) }
                        td.sample { (to.sample) }
                    }
                } }
            } }
        }
    }
}

fn yes_or_no(claimed: bool) -> Markup {
    html! { @if claimed { span.chip.kept { "yes" } } @else { span.chip.broken { "no" } } }
}

fn programs(results: &Results) -> Markup {
    html! {
        @for program in &results.seen.programs {
            details.program {
                summary { code { (program.path) } " "
                    @match &program.domain { Some(domain) => { span.chip { (domain) } }, None => { span.chip.broken { "no domain" } } }
                    " ran " (program.runs) "×, " (text::counted(program.bait_files, "bait file")) ", " (text::bytes(program.read_bytes)) " read"
                    @if !program.contacts.is_empty() { ", contacts " (program.contacts.join(", ")) } }
                @if let Some(digest) = &program.sha256 { p { "SHA-256 " code { (digest) } } }
                div.columns {
                    (folders("Reads", &program.reads))
                    (folders("Writes", &program.writes))
                }
            }
        }
    }
}

fn folders(heading: &str, folders: &[watchglass_checks::results::FolderCount]) -> Markup {
    html! {
        div { h4 { (heading) }
            @if folders.is_empty() { p { "nothing" } }
            ul.folders { @for folder in folders {
                li { code { (folder.folder) } " " (text::counted(folder.files, "file")) @if !folder.claimed { " " span.chip.broken { "not claimed" } } }
            } }
        }
    }
}

fn witnesses(results: &Results) -> Markup {
    let paths = &results.seen.witnesses;
    html! {
        section #paths {
            h2 { "Paths from bait to the network" }
            @if paths.is_empty() { p.verdict.kept { "None was seen: no process that can have held a planted file sent anything to the network." } }
            @for path in paths {
                div.witness {
                    p { "Run " (path.run) ": " (text::counted(path.bait.len() as u64, "planted file")) " can have gone this way. " (content(path))
                        @if let Some(why) = &path.refuted { " Refuted: " (why) "." } }
                    div.picture role="group" aria-label="Picture" tabindex="0" { (drawing::path(path)) }
                    ol.steps { @for (index, node) in path.nodes.iter().enumerate() {
                        li { (node.kind) " " code { (node.label) } @if let Some(step) = path.steps.get(index) { " " em { (step) } } }
                    } }
                    (evidence(&path.evidence))
                }
            }
        }
    }
}

fn content(path: &WitnessPath) -> Markup {
    html! {
        @if path.content_seen { strong { "Planted content was found in what was sent: " (path.content.join(", ")) "." } }
        @else { "No planted content was found in what could be read of it." }
    }
}

/// Claims of one domain and kind stand together, since one check holds them all.
fn claims(results: &Results) -> Markup {
    html! {
        section #claims {
            h2 { "Claims" }
            p { "What the product file claims, what each claim permits, and what was seen of it. What is not claimed is forbidden; what goes beyond the claims stands with the checks." }
            @for group in results.claims.chunk_by(|one, other| (&one.domain, &one.kind) == (&other.domain, &other.kind)) {
                (claims_of_a_kind(results, group))
            }
        }
    }
}

fn claims_of_a_kind(results: &Results, group: &[ClaimRow]) -> Markup {
    let Some(first) = group.first() else { return html! {} };
    let (idle, told): (Vec<_>, Vec<_>) = group.iter().partition(|claim| is_idle(claim));
    let check = results.checks.iter().find(|check| check.id == check_of(&first.kind));
    html! {
        h3 { "What " (first.domain) " " (first.kind) }
        div.table role="group" aria-label="Table" tabindex="0" { table.claims {
            thead { tr { th scope="col" { "Claimed" } th scope="col" { "Permits" } th scope="col" { "Seen" } th scope="col" { "Result" } } }
            tbody {
                @for claim in told { (claim_row(claim)) }
                @if !idle.is_empty() { tr {
                    td colspan="2" { (text::counted(idle.len() as u64, "more path")) ": " @for claim in &idle { code { (claim.claimed) } " " } }
                    td { "nothing" }
                    td { span.badge.untested { "not exercised" } }
                } }
            }
        } }
        @if let Some(check) = check {
            dl.how {
                div { dt { "Held by" } dd { a href=(format!("#check-{}", check.id)) { (check.id) " " (check.title) } " " (badge(check.state)) } }
                div { dt { "Reproduce" } dd { (check.reproduce) } }
                div { dt { "Dispute" } dd { (check.dispute) } }
            }
        }
    }
}

/// A claimed path of which nothing was seen: there are dozens where a claim stands for a list, and
/// all of them say the same.
fn is_idle(claim: &ClaimRow) -> bool {
    matches!(claim.kind.as_str(), "reads" | "writes")
        && claim.state != State::Kept
        && !claim.vacuous
}

/// The check that holds what goes beyond claims of a kind.
fn check_of(kind: &str) -> &'static str {
    match kind {
        "reads" => "R1",
        "writes" => "W1",
        "executes" => "X1",
        "sends" => "N3",
        _ => "N1",
    }
}

fn claim_row(claim: &ClaimRow) -> Markup {
    html! {
        tr {
            td { code { (claim.claimed) } @if claim.vacuous { " " span.chip.broken { "says nothing" } } }
            td { (claim.permits) }
            td { (claim.seen) (evidence(&claim.evidence)) }
            td { @match claim.state {
                State::Kept | State::Broken => (badge(claim.state)),
                _ => span.badge.untested { "not exercised" },
            } }
        }
    }
}

fn checks(results: &Results) -> Markup {
    let tried = |check: &&CheckResult| check.state != State::NotTested;
    html! {
        section #checks {
            h2 { "Checks" }
            @for check in results.checks.iter().filter(tried) { (check_details(check)) }
            h3 { "Not tested" }
            ul.untested { @for check in results.checks.iter().filter(|check| !tried(check)) {
                li id=(format!("check-{}", check.id)) { strong { (check.id) } " " (check.title) ": " (check.reason) }
            } }
        }
    }
}

fn check_details(check: &CheckResult) -> Markup {
    html! {
        article.check.(class(check.state)) id=(format!("check-{}", check.id)) {
            h3 { (check.id) " " (check.title) " " (badge(check.state)) }
            p { (check.reason) }
            @if !check.findings.is_empty() {
                details open[check.state == State::Broken] {
                    summary { (text::counted(check.findings.len() as u64, "finding")) @if check.more_findings > 0 { ", " (check.more_findings) " more" } }
                    ul.findings { @for finding in &check.findings { (finding_line(finding)) } }
                }
            }
            dl.how {
                div { dt { "Tier" } dd { (format!("{:?}", check.tier)) } }
                div { dt { "Reproduce" } dd { (check.reproduce) } }
                div { dt { "Dispute" } dd { (check.dispute) } }
                @if !check.blind.is_empty() { div { dt { "Not seen" } dd { (check.blind.join(" ")) } } }
            }
        }
    }
}

fn finding_line(finding: &Finding) -> Markup {
    html! { li.breaks[finding.breaks] { (finding.text) (evidence(&finding.evidence)) } }
}

fn evidence(rows: &[Evidence]) -> Markup {
    html! { @if !rows.is_empty() { span.evidence { @for row in rows.iter().take(8) { " " code { (row.part) "#" (row.row) } } @if rows.len() > 8 { " …" } } } }
}

fn residue(results: &Results) -> Markup {
    html! {
        section #residue {
            h2 { "What differs on disk after run A1" }
            @if results.seen.residue.is_empty() { p { "Nothing." } } @else {
                div.table role="group" aria-label="Table" tabindex="0" { table {
                    thead { tr { th scope="col" { "Path" } th scope="col" { "Change" } th.number scope="col" { "Size" } th scope="col" { "Written by" } th scope="col" { "Claimed" } } }
                    tbody { @for row in &results.seen.residue {
                        tr { th scope="row" { code { (row.path) } } td { (row.change) } td.number { (text::bytes(row.bytes)) } td { @for writer in &row.writers { code { (writer) } " " } } td { (yes_or_no(row.claimed)) } }
                    } }
                } }
            }
        }
    }
}

fn blind(results: &Results) -> Markup {
    html! {
        section #blind {
            h2 { "What could not be seen" }
            ul { @for sentence in &results.blind { li { (sentence) } } }
            h3 { "What was not tested" }
            ul { @for sentence in results.verdict.not_tested.iter().take(2) { li { (sentence) } } }
            p { "A kept claim is no proof of good faith: it says that the product did not break it where it was made to act and was watched." }
        }
    }
}

fn made(results: &Results) -> Markup {
    let made = &results.made;
    html! {
        section #made {
            h2 { "Environment" }
            dl.facts {
                div { dt { "Assayer" } dd { (made.assayer) } }
                div { dt { "Kernel" } dd { (made.kernel) ", " (made.architecture) } }
                div { dt { "Machine" } dd { (machine(made)) } }
                div { dt { "Locale" } dd { (made.locale) } }
                @for run in &made.runs { div { dt { "Seed of " (run.name) } dd { code { (run.seed) } } } }
            }
            @if !made.choices.is_empty() { h3 { "What the lab chose by itself" } ul { @for choice in &made.choices { li { (choice) } } } }
            h3 { "Sources" }
            (sources(made))
            h3 { "Tools" }
            ul.tools { @for tool in &made.tools { li { code { (tool) } } } }
        }
    }
}

/// An assayer may keep to himself what machine he has.
fn machine(made: &Made) -> String {
    match (made.processors, made.memory_bytes) {
        (0, _) | (_, 0) => "not told".to_owned(),
        (processors, memory) => {
            format!(
                "{}, {} of memory",
                text::counted(processors.into(), "processor"),
                text::bytes(memory)
            )
        }
    }
}

fn sources(made: &Made) -> Markup {
    let sum =
        |of: fn(&SourceFacts) -> u64| made.sources.iter().map(of).fold(0, u64::saturating_add);
    let (received, lost) = (sum(|source| source.received), sum(|source| source.lost));
    html! {
        details {
            summary { (text::counted(received, "record")) ", " (lost) " lost; for each source and run" }
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Run" } th scope="col" { "Source" } th.number scope="col" { "Emitted" } th.number scope="col" { "Received" } th.number scope="col" { "Lost" } th.number scope="col" { "Canaries seen" } } }
                tbody { @for source in &made.sources {
                    tr { td { (source.run) } td { (source.source) } td.number { (source.emitted) } td.number { (source.received) } td.number { (source.lost) } td.number { (source.canaries) } }
                } }
            } }
        }
    }
}
