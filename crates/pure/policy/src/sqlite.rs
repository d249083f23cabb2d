//! A SQLite file with one table, written and never read: <https://www.sqlite.org/fileformat2.html>.
//!
//! SQLite itself is C; a file that is written once, whole, needs a fiftieth of the format: a header, the
//! schema on page 1, and a table b-tree of leaves under at most one interior page. Pages are as large as
//! they may be, and texts are cut so that a row fits into one, so nothing overflows.

use thiserror::Error;

/// A database of one table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Database<'a> {
    /// Its name: letters and underscores.
    pub(crate) table: &'static str,
    /// Names of the columns: letters and underscores.
    pub(crate) columns: &'static [&'static str],
    /// The rows; each has a value for each column.
    pub(crate) rows: &'a [Vec<Value>],
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text; what is beyond [`MAX_TEXT_BYTES`] is cut, with an ellipsis in its place.
    Text(String),
    /// A whole number.
    Integer(i64),
}

/// Why there is no file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqliteError {
    /// More rows than one interior page leads to.
    #[error("{pages} pages of rows, limit {MAX_LEAVES}")]
    TooManyRows {
        /// Pages that they need.
        pages: usize,
    },
    /// A row that fits into no page: more columns than a table of ours has.
    #[error("a row of {bytes} bytes, limit {}", PAGE_SIZE / 2)]
    RowTooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Database<'_> {
    /// The bytes of the file.
    ///
    /// # Errors
    /// [`SqliteError`].
    pub(crate) fn encode(self) -> Result<Vec<u8>, SqliteError> {
        let leaves = self.leaves()?;
        let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        let (root, first_leaf) = if count == 1 { (2, 2) } else { (2, 3) };
        let pages = if count == 1 { 2 } else { count.saturating_add(2) };
        let mut bytes = page(&header(pages), LEAF, None, &[self.schema(root)]);
        if count > 1 {
            bytes.extend(interior(&leaves, first_leaf));
        }
        leaves.iter().for_each(|leaf| bytes.extend(page(&[], LEAF, None, &leaf.cells)));
        Ok(bytes)
    }

    /// The one row of `sqlite_schema`.
    fn schema(&self, root: u32) -> Vec<u8> {
        let text = |text: &str| Value::Text(text.to_owned());
        let sql = format!("CREATE TABLE {}({})", self.table, self.columns.join(", "));
        let row = [
            text("table"),
            text(self.table),
            text(self.table),
            Value::Integer(root.into()),
            text(&sql),
        ];
        cell(1, &row)
    }

    /// Rows on pages, in order; one empty page where there is no row.
    fn leaves(&self) -> Result<Vec<Leaf>, SqliteError> {
        let mut leaves = vec![Leaf::default()];
        for (row, id) in self.rows.iter().zip(1..) {
            let cell = cell(id, row);
            if cell.len() > PAGE_SIZE / 2 {
                return Err(SqliteError::RowTooLarge { bytes: cell.len() });
            }
            let fits = leaves.last().is_some_and(|leaf| leaf.has_room_for(cell.len()));
            if !fits {
                leaves.push(Leaf::default());
            }
            if let Some(leaf) = leaves.last_mut() {
                leaf.add(id, cell);
            }
        }
        let pages = leaves.len();
        if pages > MAX_LEAVES { Err(SqliteError::TooManyRows { pages }) } else { Ok(leaves) }
    }
}

/// A page of rows.
#[derive(Default)]
struct Leaf {
    cells: Vec<Vec<u8>>,
    bytes: usize,
    last_id: u64,
}

impl Leaf {
    /// A page's head has 8 bytes, and each cell 2 more for its place.
    fn has_room_for(&self, cell: usize) -> bool {
        let cells = self.cells.len().saturating_add(1).saturating_mul(2);
        let taken = self.bytes.saturating_add(cell).saturating_add(cells).saturating_add(8);
        taken < PAGE_SIZE
    }

    fn add(&mut self, id: u64, cell: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(cell.len());
        self.cells.push(cell);
        self.last_id = id;
    }
}

/// The first 100 bytes of the file.
fn header(pages: u32) -> Vec<u8> {
    let mut header = b"SQLite format 3\0".to_vec();
    header.extend([0, 1]); // page size 65536
    header.extend([1, 1, 0, 64, 32, 32]); // rollback journal; no reserved bytes; payload fractions
    header.extend(1_u32.to_be_bytes()); // file change counter
    header.extend(pages.to_be_bytes());
    header.extend([0; 8]); // no free pages
    header.extend(1_u32.to_be_bytes()); // schema cookie
    header.extend(4_u32.to_be_bytes()); // schema format
    header.extend([0; 8]); // cache size, largest root
    header.extend(1_u32.to_be_bytes()); // UTF-8
    header.extend([0; 32]); // user version, incremental vacuum, application id, reserved
    header.extend(1_u32.to_be_bytes()); // version-valid-for: the change counter
    header.extend(SQLITE_VERSION.to_be_bytes());
    header
}

/// A b-tree page: what stands before it (on page 1 alone), its kind, its right-most child, its cells, of
/// which the first lies last.
fn page(before: &[u8], kind: u8, right: Option<u32>, cells: &[Vec<u8>]) -> Vec<u8> {
    let mut end = PAGE_SIZE;
    let mut places = Vec::new();
    let mut content = Vec::new();
    for cell in cells {
        end = end.saturating_sub(cell.len());
        places.extend(low_16(end).to_be_bytes());
        content.push(cell.as_slice());
    }
    let mut page = before.to_vec();
    page.push(kind);
    page.extend([0, 0]); // no free blocks
    page.extend(low_16(cells.len()).to_be_bytes());
    page.extend(low_16(end).to_be_bytes()); // 65536 is written as 0
    page.push(0); // no fragments
    page.extend(right.into_iter().flat_map(u32::to_be_bytes));
    page.extend(places);
    page.resize(end.max(page.len()), 0);
    content.iter().rev().for_each(|cell| page.extend(*cell));
    page
}

fn interior(leaves: &[Leaf], first: u32) -> Vec<u8> {
    let numbered: Vec<(u32, u64)> = (first..).zip(leaves.iter().map(|leaf| leaf.last_id)).collect();
    let Some(((right, _), others)) = numbered.split_last() else { return Vec::new() };
    let cell = |(number, last): &(u32, u64)| {
        let mut cell = number.to_be_bytes().to_vec();
        cell.extend(varint(*last));
        cell
    };
    page(&[], INTERIOR, Some(*right), &others.iter().map(cell).collect::<Vec<_>>())
}

/// A row: length of its record, its number, its record.
fn cell(id: u64, row: &[Value]) -> Vec<u8> {
    let (mut types, mut body) = (Vec::new(), Vec::new());
    for value in row {
        match value {
            Value::Text(text) => {
                let text = cut(text);
                let kind = length(text.len()).saturating_mul(2).saturating_add(13);
                types.extend(varint(kind));
                body.extend(text.as_bytes());
            }
            Value::Integer(number) => {
                types.extend(varint(6));
                body.extend(number.to_be_bytes());
            }
        }
    }
    // The length of the record's head counts itself, in one byte up to 127.
    let mut head = length(types.len()).saturating_add(1);
    if head > 127 {
        head = head.saturating_add(1);
    }
    let mut record = varint(head);
    record.extend(types);
    record.extend(body);
    let mut cell = varint(length(record.len()));
    cell.extend(varint(id));
    cell.extend(record);
    cell
}

fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT_BYTES.saturating_sub('…'.len_utf8()));
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

/// Big-endian groups of seven bits, at most eight of them: no number here needs the ninth byte.
fn varint(number: u64) -> Vec<u8> {
    let groups = (0..8_u32).rev().map(|group| number >> group.saturating_mul(7));
    let groups: Vec<u64> = groups.skip_while(|left| *left == 0).map(|left| left & 0x7f).collect();
    let Some((last, others)) = groups.split_last() else { return vec![0] };
    let low = |group: &u64| group.to_le_bytes().first().copied().unwrap_or(0);
    others.iter().map(|group| low(group) | 0x80).chain([low(last)]).collect()
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Places within a page of 65536 bytes, whose end is written as 0.
fn low_16(number: usize) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(0)
}

/// The largest page.
const PAGE_SIZE: usize = 65_536;
/// What one interior page surely leads to: a cell takes at most 4 + 8 bytes and 2 for its place.
const MAX_LEAVES: usize = 4_096;
/// Longest text in bytes.
const MAX_TEXT_BYTES: usize = 1_536;
const LEAF: u8 = 13;
const INTERIOR: u8 = 5;
/// The version whose format this follows: 3.40.0.
const SQLITE_VERSION: u32 = 3_040_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_format_says() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x81, 0]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x81, 0x80, 0]),
        ] {
            assert_eq!(varint(number), bytes, "{number}");
        }
    }

    #[test]
    fn the_file_is_whole_pages_and_a_row_that_fits_nowhere_is_refused() {
        for rows in [0, 1, 50, 2_000] {
            let rows = vec![vec![Value::Text("x".repeat(5_000)), Value::Integer(-1)]; rows];
            let bytes =
                Database { table: "t", columns: &["a", "b"], rows: &rows }.encode().unwrap();
            assert_eq!(bytes.len() % PAGE_SIZE, 0);
        }
        let rows = [vec![Value::Text("x".repeat(2_000)); 30]];
        let error = Database { table: "t", columns: &[], rows: &rows }.encode().unwrap_err();
        assert!(matches!(error, SqliteError::RowTooLarge { .. }));
    }
}
