//! How many assayers vouch, each by a campaign of his own.

use std::collections::{BTreeMap, BTreeSet};

/// The most assayers to whom a campaign each can be given, of pairs of assayer and campaign.
///
/// An assayer counts once, however often he signs; a campaign counts once, however many sign it, since
/// another signature under the same run is no second look. Which of his campaigns stands for an assayer
/// is chosen so that most count: a largest matching, by augmenting paths. Cost: assayers × pairs.
pub(crate) fn count<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
    let mut campaigns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (assayer, campaign) in pairs {
        campaigns.entry(assayer).or_default().insert(campaign);
    }
    let mut given = BTreeMap::new();
    let placed = campaigns
        .keys()
        .filter(|assayer| place(assayer, &campaigns, &mut given, &mut BTreeSet::new()));
    placed.count()
}

/// Finds a campaign for an assayer, by asking others to take another of theirs. The depth is at most the
/// number of assayers, since a campaign is visited once.
fn place<'a>(
    assayer: &'a str,
    campaigns: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    given: &mut BTreeMap<&'a str, &'a str>,
    visited: &mut BTreeSet<&'a str>,
) -> bool {
    for campaign in campaigns.get(assayer).into_iter().flatten().copied() {
        if !visited.insert(campaign) {
            continue;
        }
        let holder = given.get(campaign).copied();
        if holder.is_none_or(|holder| place(holder, campaigns, given, visited)) {
            given.insert(campaign, assayer);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assayer_counts_once_and_a_campaign_counts_once() {
        assert_eq!(count([]), 0);
        assert_eq!(count([("a", "1"), ("a", "2")]), 1);
        assert_eq!(count([("a", "1"), ("b", "1")]), 1);
        assert_eq!(count([("a", "1"), ("b", "2")]), 2);
        // The first gives way to the second.
        assert_eq!(count([("a", "1"), ("a", "2"), ("b", "1")]), 2);
        // Three of each, and yet only two.
        assert_eq!(count([("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1")]), 2);
    }
}
