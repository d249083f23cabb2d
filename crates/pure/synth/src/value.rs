//! Numbers that byte comparisons look for.

use watchglass_signatures::logical::{ByteCompare, ByteOrder, Encoding, Relation};

use crate::spell::size;

/// The bytes of a number of which all tests are true.
pub(crate) fn spell(compare: &ByteCompare) -> Option<Vec<u8>> {
    let near = |value: i64| [value, value.saturating_add(1), value.saturating_sub(1)];
    let mut candidates = compare.tests.iter().flat_map(|test| near(test.value));
    let holds = |number: &i64| {
        compare.tests.iter().all(|test| match test.relation {
            Relation::Equal => *number == test.value,
            Relation::More => *number > test.value,
            Relation::Less => *number < test.value,
        })
    };
    let number = candidates.find(holds)?;
    let length = size(compare.length);
    match compare.encoding? {
        Encoding::Binary => {
            let wide = number.to_le_bytes();
            let mut bytes = wide.get(..length)?.to_vec();
            if compare.order != Some(ByteOrder::Little) {
                bytes.reverse();
            }
            Some(bytes)
        }
        Encoding::Decimal | Encoding::Automatic => {
            let text = format!("{number:0length$}");
            (text.len() == length && number >= 0).then(|| text.into_bytes())
        }
        Encoding::Hexadecimal => {
            let text = format!("{number:0length$x}").into_bytes();
            let fits = text.len() == length && number >= 0;
            let text = if compare.order == Some(ByteOrder::Little) {
                text.rchunks(2).flatten().copied().collect()
            } else {
                text
            };
            fits.then_some(text)
        }
    }
}
