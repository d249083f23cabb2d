//! A SQLite database of one table on one page (<https://www.sqlite.org/fileformat2.html>).

const PAGE: usize = 4096;

/// A table of numbered texts, which together have to fit one page.
pub(crate) fn sqlite(table: &str, column: &str, rows: &[String]) -> Vec<u8> {
    let sql = format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} TEXT)");
    let schema = record(&[
        Value::Text("table"),
        Value::Text(table),
        Value::Text(table),
        Value::Byte(2),
        Value::Text(&sql),
    ]);
    let cells: Vec<Vec<u8>> = rows
        .iter()
        .zip(1..)
        .map(|(row, id)| cell(id, &record(&[Value::Null, Value::Text(row)])))
        .collect();
    [leaf(&header(), &[cell(1, &schema)]), leaf(&[], &cells)].concat()
}

/// §1.3, the database header.
fn header() -> Vec<u8> {
    let mut header = b"SQLite format 3\0".to_vec();
    // Page size 4096, journal versions 1, no reserved space, fixed payload fractions.
    header.extend([0x10, 0x00, 1, 1, 0, 64, 32, 32]);
    // Change counter, size in pages, no free pages, schema cookie and format 4, default cache, no
    // vacuum, UTF-8, no user version, no incremental vacuum, no application.
    for number in [1_u32, 2, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0] {
        header.extend(number.to_be_bytes());
    }
    header.resize(92, 0);
    // Version valid for the change counter, and the library's number.
    header.extend(1_u32.to_be_bytes());
    header.extend(3_040_000_u32.to_be_bytes());
    header
}

/// §1.6, a leaf page of a table.
fn leaf(header: &[u8], cells: &[Vec<u8>]) -> Vec<u8> {
    let (mut content, mut offsets) = (Vec::new(), Vec::new());
    for cell in cells {
        content.splice(0..0, cell.iter().copied());
        offsets.push(short(PAGE.saturating_sub(content.len())));
    }
    let mut page = header.to_vec();
    page.push(0x0d);
    page.extend([0, 0]);
    page.extend(short(cells.len()));
    page.extend(short(PAGE.saturating_sub(content.len())));
    page.push(0);
    page.extend(offsets.concat());
    page.resize(PAGE.saturating_sub(content.len()), 0);
    page.extend(content);
    page.truncate(PAGE);
    page
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

fn cell(id: u64, record: &[u8]) -> Vec<u8> {
    [varint(record.len() as u64), varint(id), record.to_vec()].concat()
}

enum Value<'a> {
    Null,
    Byte(u8),
    Text(&'a str),
}

/// §2.1, the record format.
fn record(values: &[Value<'_>]) -> Vec<u8> {
    let (mut types, mut body) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Null => types.extend(varint(0)),
            Value::Byte(byte) => {
                types.extend(varint(1));
                body.push(*byte);
            }
            Value::Text(text) => {
                types.extend(varint((text.len() as u64).saturating_mul(2).saturating_add(13)));
                body.extend(text.bytes());
            }
        }
    }
    let length = varint(types.len().saturating_add(1) as u64);
    [length, types, body].concat()
}

/// §1.6, big-endian groups of seven bits; values here have at most 14.
fn varint(value: u64) -> Vec<u8> {
    let low = u8::try_from(value & 0x7f).unwrap_or(0);
    match u8::try_from((value >> 7) & 0x7f).unwrap_or(0) {
        0 => vec![low],
        high => vec![high | 0x80, low],
    }
}
