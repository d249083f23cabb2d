//! Data spread over the names of DNS queries.

use std::collections::{BTreeMap, BTreeSet};

/// Most labels of one name that are put together by column.
const MAX_COLUMNS: usize = 8;

/// Labels that a receiver's zone may have: `example.test`, `a.example.test` and so on.
const ZONE_LABELS: std::ops::RangeInclusive<usize> = 2..=5;

/// Puts the labels of consecutive queries together.
///
/// Names are grouped by the zone below which they lie, which names the receiver. Since nobody says
/// where a name ends and its zone begins, that is done for zones of two to five labels. Of each
/// group of at least two different names come: all other labels of all names in order, and each
/// column of labels by itself, so that a counter beside the data does not break it. A name asked
/// twice in a row (once for each address family, or again after a timeout) counts once.
#[must_use]
pub fn join_labels(names: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let groups = ZONE_LABELS.flat_map(|labels| groups(names, labels));
    groups.flat_map(|group| joined(&group)).filter(|joined| seen.insert(joined.clone())).collect()
}

/// The labels of names before their zones, the names of each zone together.
fn groups<'a>(names: &[&'a [u8]], zone_labels: usize) -> Vec<Vec<Vec<&'a [u8]>>> {
    let mut groups: BTreeMap<Vec<u8>, Vec<Vec<&[u8]>>> = BTreeMap::new();
    for name in names {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let labels: Vec<&[u8]> = name.split(|&byte| byte == b'.').collect();
        let Some(data) = labels.len().checked_sub(zone_labels) else { continue };
        let (data, suffix) = labels.split_at_checked(data).unwrap_or((&[], &[]));
        let group = groups.entry(suffix.join(&b'.').to_ascii_lowercase()).or_default();
        if !data.is_empty() && group.last().map(Vec::as_slice) != Some(data) {
            group.push(data.to_vec());
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

fn joined(group: &[Vec<&[u8]>]) -> Vec<Vec<u8>> {
    let columns = group.iter().map(Vec::len).max().unwrap_or(0).min(MAX_COLUMNS);
    let column = |at: usize| group.iter().filter_map(|labels| labels.get(at).copied()).collect();
    let mut all: Vec<Vec<&[u8]>> = vec![group.iter().flatten().copied().collect()];
    if columns > 1 {
        all.extend((0..columns).map(column));
    }
    all.into_iter().map(|labels| labels.concat()).filter(|joined| !joined.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_columns_beside_a_counter_and_drops_repeats() {
        let names: [&[u8]; 4] =
            [b"0.abcd.x.test", b"0.abcd.x.test", b"1.efgh.x.test.", b"www.other.test"];
        let joined = join_labels(&names);
        assert_eq!(joined, [b"0abcd1efgh".to_vec(), b"01".to_vec(), b"abcdefgh".to_vec()]);
    }

    #[test]
    fn a_zone_of_more_labels_does_not_stand_between_the_pieces() {
        let names: [&[u8]; 3] = [b"abcd.in.a.x.test", b"efgh.in.a.x.test", b"www.x.test"];
        assert!(join_labels(&names).contains(&b"abcdefgh".to_vec()));
    }
}
