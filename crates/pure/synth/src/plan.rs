//! How often each sub-signature is to be found, so that an expression holds.

use std::collections::BTreeMap;

use watchglass_signatures::logical::{Comparison, GroupTest, Logic, Operator, Relation};

use crate::Dice;

/// Counts of sub-signatures by their index.
pub(crate) type Plan = BTreeMap<u8, u32>;

/// Counts with which `logic` holds, where there is nothing else in the file.
pub(crate) fn plan(logic: &Logic, dice: &mut Dice) -> Plan {
    let mut plan = Plan::new();
    want(logic, &mut plan, dice);
    plan.retain(|_, count| *count > 0);
    plan
}

fn want(logic: &Logic, plan: &mut Plan, dice: &mut Dice) {
    match logic {
        Logic::Subsignature { index, test } => {
            let count = test.map_or(1, wanted);
            let before = plan.entry(*index).or_default();
            *before = count.max(*before);
        }
        Logic::Pair { operator, left, right, test: None } => match operator {
            Operator::And => [left, right].into_iter().for_each(|one| want(one, plan, dice)),
            Operator::Or => want(if dice.one_in(2) { right } else { left }, plan, dice),
        },
        Logic::Pair { operator: Operator::And, left, right, test: Some(test) } => {
            let mut inside = Plan::new();
            [left, right].into_iter().for_each(|one| want(one, &mut inside, dice));
            add_up(&mut inside, *test, dice);
            merge(plan, &inside);
        }
        Logic::Pair { operator: Operator::Or, left, right, test: Some(test) } => {
            let mut all = Vec::new();
            [left, right].into_iter().for_each(|one| members(one, &mut all));
            let distinct = usize::try_from(test.distinct).unwrap_or(usize::MAX).max(1);
            let mut inside = Plan::new();
            while inside.len() < distinct && !all.is_empty() {
                let member = all.swap_remove(dice.below(all.len()));
                want(member, &mut inside, dice);
            }
            add_up(&mut inside, *test, dice);
            merge(plan, &inside);
        }
    }
}

/// What a chain of `|` joins.
fn members<'l>(logic: &'l Logic, all: &mut Vec<&'l Logic>) {
    match logic {
        Logic::Pair { operator: Operator::Or, left, right, test: None } => {
            members(left, all);
            members(right, all);
        }
        other => all.push(other),
    }
}

/// Raises a count until the sum is as the test wants it.
fn add_up(inside: &mut Plan, test: GroupTest, dice: &mut Dice) {
    let wanted = wanted(test.sum);
    if wanted == 0 {
        inside.clear();
        return;
    }
    let sum = inside.values().fold(0_u32, |sum, count| sum.saturating_add(*count));
    let at = dice.below(inside.len());
    if let Some(count) = inside.values_mut().nth(at) {
        *count = count.saturating_add(wanted.saturating_sub(sum));
    }
}

fn wanted(test: Comparison) -> u32 {
    match test.relation {
        Relation::Equal => test.count,
        Relation::More => test.count.saturating_add(1),
        Relation::Less => test.count.saturating_sub(1),
    }
}

fn merge(plan: &mut Plan, inside: &Plan) {
    for (index, count) in inside {
        let before = plan.entry(*index).or_default();
        *before = (*count).max(*before);
    }
}

#[cfg(test)]
mod tests {
    use watchglass_signatures::{Signature, SignatureSet};

    use super::*;

    fn planned(logic: &str, count: usize) -> Plan {
        let line = format!("A;Target:0;{logic}{}", ";41424344".repeat(count));
        let set = SignatureSet::named("a.ldb").unwrap();
        let Some(Ok(Signature::Logical(logical))) = set.signatures(line.as_bytes()).next() else {
            panic!("{line}");
        };
        plan(&logical.logic, &mut Dice(1))
    }

    #[test]
    fn counts_are_such_that_the_expression_holds() {
        assert_eq!(planned("0&1>2", 2), [(0, 1), (1, 3)].into());
        assert_eq!(planned("0&(1=0)", 2), [(0, 1)].into());
        let group = planned("(0|1|2|3)>5,3", 4);
        assert_eq!((group.len(), group.values().sum::<u32>()), (3, 6));
        assert_eq!(planned("(0|1|2)>2,2&3", 4).get(&3), Some(&1));
        assert_eq!(planned("0|1", 2).len(), 1);
    }
}
