//! Databases in the file format of SQLite 3 (sqlite.org/fileformat2.html): tables with their rows in
//! leaves under at most one interior page, no indexes.

use super::length_u32;

const PAGE_BYTES: usize = 4096;

/// Largest row in bytes that stays in one page (§1.6: U-35).
const MAX_ROW_BYTES: usize = PAGE_BYTES - 35;

/// A value of a row.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Also stands for the key of the row, which is kept beside it.
    Null,
    Integer(i64),
    Text(String),
}

/// A table with its statement; the rows are numbered from 1, and the first column is their number.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// A database of these tables. A row over 4,061 bytes is left out, which is the caller's mistake.
pub(crate) fn database(tables: &[Table]) -> Vec<u8> {
    // The first page is made last: it names the roots of the others.
    let mut pages: Vec<Vec<u8>> = Vec::new();
    let mut schema = Leaf::new(100);
    for (table, number) in tables.iter().zip(1_i64..) {
        let root = add_table(&mut pages, &table.rows);
        let text = |text: &str| Value::Text(text.to_owned());
        let row = [
            text("table"),
            text(table.name),
            text(table.name),
            Value::Integer(root.into()),
            text(table.sql),
        ];
        schema.add(number, &record(&row));
    }
    let mut first = schema.page();
    let count = u32::try_from(pages.len()).unwrap_or(u32::MAX).saturating_add(1);
    first.splice(..100, header(count));
    [first, pages.concat()].concat()
}

/// Appends the pages of a table and returns the number of its root.
fn add_table(pages: &mut Vec<Vec<u8>>, rows: &[Vec<Value>]) -> u32 {
    let mut children = Vec::new();
    let (mut leaf, mut last) = (Leaf::new(0), 0_i64);
    for (row, key) in rows.iter().zip(1_i64..) {
        let record = record(row);
        if !leaf.has_room(&record) {
            children
                .push((add_page(pages, std::mem::replace(&mut leaf, Leaf::new(0)).page()), last));
        }
        leaf.add(key, &record);
        last = key;
    }
    let right = add_page(pages, leaf.page());
    if children.is_empty() { right } else { add_page(pages, interior(&children, right)) }
}

/// Numbers begin at 1, which is the page of the schema.
fn add_page(pages: &mut Vec<Vec<u8>>, page: Vec<u8>) -> u32 {
    pages.push(page);
    u32::try_from(pages.len()).unwrap_or(u32::MAX).saturating_add(1)
}

/// §1.3.
fn header(pages: u32) -> Vec<u8> {
    let mut header = b"SQLite format 3\0".to_vec();
    header.extend([0x10, 0, 1, 1, 0, 64, 32, 32]);
    // Change counter, size, free list (2), schema cookie, schema format, cache, vacuum, encoding,
    // user version, incremental vacuum, application.
    for field in [1, pages, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0] {
        header.extend(field.to_be_bytes());
    }
    header.extend([0; 20]);
    header.extend(1_u32.to_be_bytes());
    header.extend(3_040_001_u32.to_be_bytes());
    header
}

/// A leaf of a table (§1.6, type 13) under way.
struct Leaf {
    /// Bytes before the page's own header.
    before: usize,
    cells: Vec<Vec<u8>>,
    used: usize,
}

impl Leaf {
    fn new(before: usize) -> Self {
        Self { before, cells: Vec::new(), used: before.saturating_add(8) }
    }

    /// Room for the record, two numbers before it, and a pointer.
    fn has_room(&self, record: &[u8]) -> bool {
        self.used.saturating_add(record.len()).saturating_add(20) <= PAGE_BYTES
    }

    fn add(&mut self, key: i64, record: &[u8]) {
        if record.len() > MAX_ROW_BYTES {
            return;
        }
        let mut cell = varint(u64::from(length_u32(record)));
        cell.extend(varint(key.unsigned_abs()));
        cell.extend(record);
        self.used = self.used.saturating_add(cell.len()).saturating_add(2);
        self.cells.push(cell);
    }

    fn page(self) -> Vec<u8> {
        page(&vec![0; self.before], 13, &[], &self.cells)
    }
}

/// An interior page (type 5): a child and the last key in it, for each child but the last.
fn interior(children: &[(u32, i64)], right: u32) -> Vec<u8> {
    let cell = |&(child, key): &(u32, i64)| {
        [child.to_be_bytes().to_vec(), varint(key.unsigned_abs())].concat()
    };
    let cells: Vec<Vec<u8>> = children.iter().map(cell).collect();
    page(&[], 5, &right.to_be_bytes(), &cells)
}

/// A page: header, pointers to the cells, and the cells at the end, last first.
fn page(before: &[u8], kind: u8, after_header: &[u8], cells: &[Vec<u8>]) -> Vec<u8> {
    let (mut pointers, mut body, mut start) = (Vec::new(), Vec::new(), PAGE_BYTES);
    for cell in cells {
        start = start.saturating_sub(cell.len());
        pointers.extend(u16::try_from(start).unwrap_or(0).to_be_bytes());
        body.splice(..0, cell.iter().copied());
    }
    let mut page = before.to_vec();
    page.extend([kind, 0, 0]);
    page.extend(u16::try_from(cells.len()).unwrap_or(0).to_be_bytes());
    page.extend(u16::try_from(start).unwrap_or(0).to_be_bytes());
    page.push(0);
    page.extend(after_header);
    page.extend(pointers);
    page.resize(start, 0);
    page.extend(body);
    page
}

/// §2.1.
fn record(row: &[Value]) -> Vec<u8> {
    let (mut types, mut body) = (Vec::new(), Vec::new());
    for value in row {
        match value {
            Value::Null => types.extend(varint(0)),
            Value::Integer(number) => {
                types.extend(varint(6));
                body.extend(number.to_be_bytes());
            }
            Value::Text(text) => {
                let length = u64::from(length_u32(text.as_bytes()));
                types.extend(varint(length.saturating_mul(2).saturating_add(13)));
                body.extend(text.as_bytes());
            }
        }
    }
    // The length counts itself; a header of 126 bytes or more needs two bytes for it.
    let own = if types.len() < 127 { 1 } else { 2 };
    let mut record = varint(u64::from(length_u32(&types)).saturating_add(own));
    record.extend(types);
    record.extend(body);
    record
}

/// §1.6: seven bits a byte, most significant first.
fn varint(value: u64) -> Vec<u8> {
    let mut bytes = vec![value.to_le_bytes()[0] & 0x7f];
    let mut rest = value >> 7;
    while rest > 0 {
        bytes.insert(0, (rest.to_le_bytes()[0] & 0x7f) | 0x80);
        rest >>= 7;
    }
    bytes
}
