//! Ten lines for the terminal.

use watchglass_checks::results::{Results, State};

use crate::text;

/// The verdict in about ten lines. No line holds a control character: the results have none.
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
        "  {} sent to {} destinations in {} runs",
        text::bytes(sent),
        results.seen.destinations.len(),
        made.runs.len()
    ));
    lines.join("\n")
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
