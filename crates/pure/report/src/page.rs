//! The page.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use watchglass_checks::results::{CheckResult, Evidence, Finding, Results, State};

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
    page.into_string()
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
            div { dt { "Grade" } dd { (verdict.grade) " of 3" } }
            div { dt { "Instrument" } dd { "tier " (format!("{:?}", made.tier)) ", world " (made.world) ", network " (made.network) } }
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
                            a.chip.(class(check.state)) href=(format!("#check-{}", check.id)) title=(check.reason) { (check.id) span.hidden { " " (check.state.to_string()) } } " "
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
                div.identifier {
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
                thead { tr { th scope="col" { "Run" } th scope="col" { "On the link" } th scope="col" { "Sent by processes" } th scope="col" { "Read in clear" } th scope="col" { "Opaque" } } }
                tbody { @for row in &seen.conservation {
                    tr { th scope="row" { (row.run) } td { (text::bytes(row.link_bytes)) } td { (text::bytes(row.process_bytes)) } td { (text::bytes(row.explained_bytes)) } td { (text::bytes(row.opaque_bytes)) } }
                } }
            } }
        }
    }
}

fn destinations(results: &Results) -> Markup {
    html! {
        @if results.seen.destinations.is_empty() { p { "Nothing was sent." } } @else {
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Host" } th scope="col" { "Service" } th scope="col" { "Sender" } th scope="col" { "Sent" } th scope="col" { "Received" } th scope="col" { "Runs" } th scope="col" { "Claimed" } th scope="col" { "For instance" } } }
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
                    " ran " (program.runs) "×, " (program.bait_files) " bait files, " (text::bytes(program.read_bytes)) " read"
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
                li { code { (folder.folder) } " " (folder.files) @if !folder.claimed { " " span.chip.broken { "not claimed" } } }
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
                    p { "Run " (path.run) ": " (path.bait.len()) " planted files can have gone this way."
                        @if let Some(why) = &path.refuted { " Refuted: " (why) "." } }
                    div.picture role="group" aria-label="Picture" tabindex="0" { (drawing::path(path)) }
                    (evidence(&path.evidence))
                }
            }
        }
    }
}

fn claims(results: &Results) -> Markup {
    html! {
        section #claims {
            h2 { "Claims" }
            p { "What the product file claims, what each claim permits, and what was seen of it. What goes beyond the claims stands with the checks." }
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Domain" } th scope="col" { "Claim" } th scope="col" { "Claimed" } th scope="col" { "Permits" } th scope="col" { "Seen" } th scope="col" { "State" } } }
                tbody { @for claim in &results.claims {
                    tr {
                        td { (claim.domain) } td { (claim.kind) }
                        td { code { (claim.claimed) } @if claim.vacuous { " " span.chip.broken { "says nothing" } } }
                        td { (claim.permits) } td { (claim.seen) (evidence(&claim.evidence)) }
                        td { @if claim.state == State::Kept { (badge(State::Kept)) } @else { span.badge.untested { "not exercised" } } }
                    }
                } }
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
                    summary { (check.findings.len()) " findings" @if check.more_findings > 0 { ", " (check.more_findings) " more" } }
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
                    thead { tr { th scope="col" { "Path" } th scope="col" { "Change" } th scope="col" { "Size" } th scope="col" { "Written by" } th scope="col" { "Claimed" } } }
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
                div { dt { "Machine" } dd { (made.processors) " processors, " (text::bytes(made.memory_bytes)) } }
                div { dt { "Locale" } dd { (made.locale) } }
                @for run in &made.runs { div { dt { "Seed of " (run.name) } dd { code { (run.seed) } } } }
            }
            @if !made.choices.is_empty() { h3 { "What the lab chose by itself" } ul { @for choice in &made.choices { li { (choice) } } } }
            h3 { "Sources" }
            div.table role="group" aria-label="Table" tabindex="0" { table {
                thead { tr { th scope="col" { "Run" } th scope="col" { "Source" } th scope="col" { "Emitted" } th scope="col" { "Received" } th scope="col" { "Lost" } th scope="col" { "Canaries seen" } } }
                tbody { @for source in &made.sources {
                    tr { td { (source.run) } td { (source.source) } td.number { (source.emitted) } td.number { (source.received) } td.number { (source.lost) } td.number { (source.canaries) } }
                } }
            } }
            h3 { "Tools" }
            ul.tools { @for tool in &made.tools { li { code { (tool) } } } }
        }
    }
}
