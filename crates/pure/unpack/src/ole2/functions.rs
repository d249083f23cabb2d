//! Names of the functions and commands of a workbook, \[MS-XLS\] sections 2.5.198.17 (Ftab) and
//! 2.5.198.4 (Cetab).

/// A function or command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) number: u16,
    pub(super) name: &'static str,
    /// How many arguments it has, where that is not told with its call.
    pub(super) arguments: Option<u8>,
}

pub(super) fn functions() -> Vec<Row> {
    rows(FUNCTIONS)
}

pub(super) fn commands() -> Vec<Row> {
    rows(COMMANDS)
}

fn rows(table: &'static str) -> Vec<Row> {
    let row = |line: &'static str| {
        let mut words = line.split(' ');
        let number = words.next()?.parse().ok()?;
        let name = words.next()?;
        Some(Row { number, name, arguments: words.next().and_then(|word| word.parse().ok()) })
    };
    table.lines().filter_map(row).collect()
}

/// Number, name, number of arguments where it is fixed; in the order of numbers.
const FUNCTIONS: &str = include_str!("functions.txt");
/// Number, name; in the order of numbers.
const COMMANDS: &str = include_str!("commands.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        for table in [functions(), commands()] {
            assert!(table.len() > 300 && table.is_sorted_by_key(|row| row.number));
        }
    }
}
