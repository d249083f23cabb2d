//! What a pattern says of its matches. Recursive over the tree, whose depth is bounded.

use crate::node::{Greed, Node};
use crate::set::ByteSet;

/// The length that a look-behind goes back; none where it is not one length, or longer than PCRE2
/// allows.
pub(crate) fn fixed_length(node: &Node) -> Option<u32> {
    let length = match node {
        Node::Set(_) => 1,
        Node::Sequence(nodes) => {
            nodes.iter().try_fold(0_u32, |sum, node| sum.checked_add(fixed_length(node)?))?
        }
        Node::Alternatives(nodes) => {
            let mut lengths = nodes.iter().map(fixed_length);
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)?
        }
        Node::Repeat { node, min, max, .. } => {
            if *max != Some(*min) {
                return None;
            }
            fixed_length(node)?.checked_mul(*min)?
        }
        Node::Group(_, node) | Node::Atomic(node) => fixed_length(node)?,
        Node::Look { .. } | Node::Assertion(_) | Node::Keep => 0,
        Node::BackReference { .. } => return None,
    };
    (length <= MAX_BEHIND).then_some(length)
}

/// The least number of bytes a match has.
pub(crate) fn least_length(node: &Node) -> u32 {
    match node {
        Node::Set(_) => 1,
        Node::Sequence(nodes) => {
            nodes.iter().map(least_length).fold(0, |sum, length| sum.saturating_add(length))
        }
        Node::Alternatives(nodes) => nodes.iter().map(least_length).min().unwrap_or(0),
        Node::Repeat { node, min, .. } => least_length(node).saturating_mul(*min),
        Node::Group(_, node) | Node::Atomic(node) => least_length(node),
        Node::Look { .. } | Node::Assertion(_) | Node::Keep | Node::BackReference { .. } => 0,
    }
}

/// The bytes a match can begin with; `None` where a match can be empty or that is not told.
pub(crate) fn first_bytes(node: &Node) -> Option<ByteSet> {
    match node {
        Node::Set(set) => Some(*set),
        Node::Sequence(nodes) => {
            let mut all = ByteSet::default();
            for node in nodes {
                let (set, is_sure) = beginning(node)?;
                all = all.union(set);
                if is_sure {
                    return Some(all);
                }
            }
            None
        }
        Node::Alternatives(nodes) => nodes
            .iter()
            .try_fold(ByteSet::default(), |all, node| Some(all.union(first_bytes(node)?))),
        Node::Repeat { node, min, .. } if *min > 0 => first_bytes(node),
        Node::Group(_, node) | Node::Atomic(node) => first_bytes(node),
        _ => None,
    }
}

/// What a part of a sequence begins with, and whether it has a byte at all.
fn beginning(node: &Node) -> Option<(ByteSet, bool)> {
    match node {
        Node::Repeat { node, min: 0, .. } => Some((first_bytes(node)?, false)),
        Node::Look { .. } | Node::Assertion(_) | Node::Keep => Some((ByteSet::default(), false)),
        node => Some((first_bytes(node)?, true)),
    }
}

/// Whether finding it takes more than an automaton: look-around and what PCRE2 never enters again.
pub(crate) fn is_plain_repeat(node: &Node, max: Option<u32>, greed: Greed) -> bool {
    // What may be empty ends a repetition in PCRE2, after its alternatives were tried in turn.
    greed != Greed::Possessive && (max.is_some() || least_length(node) > 0)
}

/// PCRE2's own bound, in bytes.
const MAX_BEHIND: u32 = 65_535;
