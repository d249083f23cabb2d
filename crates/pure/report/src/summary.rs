//! Ten lines for the terminal.

use watchglass_checks::results::{Results, State};

use crate::text;

/// The verdict in about ten lines. None holds a control character, whatever the results say.
#[must_use]
pub fn summary(results: &Results) -> String {
    let made = &results.made;
    let mut lines = vec![
        format!("{}  {}", mark(results.verdict.state), results.verdict.sentence),
        format!(
            "grade {} of 3, tier {:?}, world {}, network {}",
            results.verdict.grade, made.tier, made.world, made.network
        ),
    ];
    for question in &results.questions {
        lines.push(format!("  {:<2} {:<36} {}", question.id, question.text, question.answer));
    }
    if let Some(path) = results.seen.witnesses.iter().find(|path| path.refuted.is_none()) {
        let labels: Vec<&str> = path.nodes.iter().map(|node| node.label.as_str()).collect();
        lines.push(format!("  path from bait to the network: {}", labels.join(" → ")));
    }
    if let Some(identifier) = results.seen.identifiers.first() {
        lines.push(format!(
            "  persistent identifier: {} to {} by {}",
            identifier.place, identifier.destination, identifier.program
        ));
    }
    let sent: u64 =
        results.seen.destinations.iter().map(|to| to.sent_bytes).fold(0, u64::saturating_add);
    lines.push(format!(
        "  {} sent to {} in {}",
        text::bytes(sent),
        text::counted(results.seen.destinations.len() as u64, "destination"),
        text::counted(made.runs.len() as u64, "run")
    ));
    let printable = lines.iter().map(|line| watchglass_events::printable(line));
    printable.collect::<Vec<_>>().join("\n")
}

/// A word that stands out without colour.
fn mark(state: State) -> &'static str {
    match state {
        State::Broken => "BROKEN",
        State::NotTested => "NOT TESTED",
        State::Inconclusive => "INCONCLUSIVE",
        State::Kept => "KEPT",
    }
}
