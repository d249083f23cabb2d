//! SVG drawn from results: the timeline, and the path from bait to the network.

use std::collections::BTreeMap;

use maud::{Markup, html};
use watchglass_checks::results::{PhaseSpan, TimelinePoint, WitnessPath};

use crate::text;

/// Width of the drawing area; the picture scales with the page.
const WIDTH: u64 = 960;
/// Space on the left for labels.
const LEFT: u64 = 150;
/// Height of a lane.
const LANE: u64 = 34;
/// Height of the strip of phases.
const PHASES: u64 = 30;

/// Reads above, sends below the line, a lane for each program, phases on top.
pub(crate) fn timeline(run: &str, phases: &[PhaseSpan], points: &[TimelinePoint]) -> Markup {
    let phases: Vec<&PhaseSpan> = phases.iter().filter(|phase| phase.run == run).collect();
    let points: Vec<&TimelinePoint> = points.iter().filter(|point| point.run == run).collect();
    let end_ms = phases.iter().map(|phase| phase.to_ms);
    let end_ms = end_ms.chain(points.iter().map(|point| point.at_ms.saturating_add(point.step_ms)));
    let axis = Axis { end_ms: end_ms.max().unwrap_or(1).max(1) };
    let mut lanes: BTreeMap<&str, Vec<&TimelinePoint>> = BTreeMap::new();
    for point in points {
        lanes.entry(&point.program).or_default().push(point);
    }
    let height = LANE.saturating_mul(lanes.len() as u64).saturating_add(PHASES).saturating_add(24);
    let label = format!(
        "Timeline of run {run}: {} programs in {}",
        lanes.len(),
        text::duration(axis.end_ms)
    );
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(label) {
            @for phase in &phases { (span(&axis, phase)) }
            @for (index, (program, points)) in lanes.iter().enumerate() {
                (lane(&axis, index as u64, program, points))
            }
            (ticks(&axis, height))
        }
    }
}

struct Axis {
    end_ms: u64,
}

impl Axis {
    fn x(&self, ms: u64) -> u64 {
        let room = WIDTH.saturating_sub(LEFT);
        let along = ms.saturating_mul(room).checked_div(self.end_ms).unwrap_or(0);
        along.min(room).saturating_add(LEFT)
    }
}

fn span(axis: &Axis, phase: &PhaseSpan) -> Markup {
    let (from, to) = (axis.x(phase.from_ms), axis.x(phase.to_ms));
    let width = to.saturating_sub(from).max(2);
    let class = if phase.expected { "phase" } else { "phase unexpected" };
    // A label of six units a letter must fit into its box, or the next one's would cover it.
    let fits = (phase.phase.len() as u64).saturating_mul(7) < width;
    html! {
        rect class=(class) x=(from) y="2" width=(width) height="20" rx="3" {
            title { (phase.phase) ": " (text::duration(phase.to_ms.saturating_sub(phase.from_ms))) ", " (phase.outcome) }
        }
        @if fits { text class="phase-name" x=(from.saturating_add(5)) y="16" { (phase.phase) } }
    }
}

fn lane(axis: &Axis, index: u64, program: &str, points: &[&TimelinePoint]) -> Markup {
    let middle = index
        .saturating_mul(LANE)
        .saturating_add(PHASES)
        .saturating_add(LANE / 2)
        .saturating_add(4);
    let most = |of: &dyn Fn(&TimelinePoint) -> u64| {
        points.iter().map(|point| of(point)).max().unwrap_or(0).max(1)
    };
    let (opens, sent) = (most(&|point| point.opens), most(&|point| point.sent_bytes));
    let short = program.rsplit('/').next().unwrap_or(program);
    let bar = |value: u64, most: u64| match value {
        0 => 0,
        _ => value.saturating_mul(13).checked_div(most).unwrap_or(0).max(2),
    };
    html! {
        text class="lane-name" x=(LEFT.saturating_sub(10)) y=(middle.saturating_add(4)) text-anchor="end" { (short) title { (program) } }
        line class="lane" x1=(LEFT) x2=(WIDTH) y1=(middle) y2=(middle) {}
        @for point in points {
            @let x = axis.x(point.at_ms);
            @let width = axis.x(point.at_ms.saturating_add(point.step_ms)).saturating_sub(x).saturating_sub(1).max(2);
            @let read = bar(point.opens, opens);
            @let sends = bar(point.sent_bytes, sent);
            @if read > 0 {
                rect class=(if point.bait_opens > 0 { "bait" } else { "read" }) x=(x) y=(middle.saturating_sub(read)) width=(width) height=(read) {
                    title { (point.opens) " files opened for reading, " (point.bait_opens) " of them bait" }
                }
            }
            @if sends > 0 {
                rect class="sent" x=(x) y=(middle) width=(width) height=(sends) {
                    title { (text::bytes(point.sent_bytes)) " sent" }
                }
            }
        }
    }
}

fn ticks(axis: &Axis, height: u64) -> Markup {
    let y = height.saturating_sub(6);
    html! {
        @for quarter in 0..=4_u64 {
            @let ms = axis.end_ms.saturating_mul(quarter) / 4;
            @let anchor = match quarter { 0 => "start", 4 => "end", _ => "middle" };
            text class="tick" x=(axis.x(ms)) y=(y) text-anchor=(anchor) { (text::duration(ms)) }
        }
    }
}

/// The boxes of a path, from the bait on the left to the host on the right, line by line.
pub(crate) fn path(path: &WitnessPath) -> Markup {
    const BOX: u64 = 280;
    const GAP: u64 = 60;
    const ROW: u64 = 74;
    let per_row = 3_u64;
    let place = |index: u64| {
        let column = index % per_row;
        (
            column.saturating_mul(BOX.saturating_add(GAP)),
            (index / per_row).saturating_mul(ROW).saturating_add(8),
        )
    };
    let rows = (path.nodes.len() as u64).div_ceil(per_row);
    let (width, height) =
        (per_row.saturating_mul(BOX.saturating_add(GAP)), rows.saturating_mul(ROW));
    let label = format!("Path in {} steps", path.steps.len());
    html! {
        svg class="path" viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(label) {
            @for (index, node) in path.nodes.iter().enumerate() {
                @let (x, y) = place(index as u64);
                rect class=(format!("node {}", kind(&node.kind))) x=(x) y=(y) width=(BOX) height="42" rx="6" {}
                // A picture of its own, because fonts differ and it cuts what is too long.
                svg class="inner" x=(x.saturating_add(10)) y=(y) width=(BOX.saturating_sub(20)) height="42" {
                    text class="node-kind" x="0" y="15" { (node.kind) }
                    text class="node-name" x="0" y="32" { (shorten(&node.label, 38)) title { (node.label) } }
                }
                @if let Some(step) = path.steps.get(index) {
                    svg class="inner" x=(x.saturating_add(BOX)) y=(y) width=(GAP) height="42" {
                        text class="step" x=(GAP / 2) y="18" text-anchor="middle" { (step.split(' ').next().unwrap_or_default()) title { (step) } }
                        text class="step" x=(GAP / 2) y="34" text-anchor="middle" { "→" }
                    }
                }
            }
        }
    }
}

/// A class name that we know, so that no string of a document becomes an attribute.
fn kind(kind: &str) -> &'static str {
    match kind {
        "bait" => "is-bait",
        "process" => "is-process",
        "host" => "is-host",
        _ => "is-thing",
    }
}

/// The end of a long label, which tells more than its beginning.
fn shorten(label: &str, most: usize) -> String {
    let length = label.chars().count();
    if length <= most {
        return label.to_owned();
    }
    let tail = label.chars().skip(length.saturating_sub(most).saturating_add(1));
    format!("…{}", tail.collect::<String>())
}
