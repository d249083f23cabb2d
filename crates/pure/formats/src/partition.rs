//! Whether a sector that ends like a master boot record is one.

use watchglass_bytes::Reader;

use crate::FileType;

const SECTOR: usize = 512;
/// UEFI 2.10, 5.2: the table of four partitions stands at 446, the signature 55 aa at 510.
const TABLE: usize = 446;
/// Types of a first partition that only says "see the GUID partition table" (UEFI 2.10, 5.2.3).
const PROTECTIVE: [u8; 2] = [0xee, 0xed];

/// The type of a disk image of `length` bytes that starts with `head`: with a GUID partition table,
/// with a master boot record, or neither.
pub(crate) fn boot_record(head: &[u8], length: usize) -> FileType {
    match partitions(head, length) {
        Some(first) if PROTECTIVE.contains(&first) => FileType::Gpt,
        Some(_) => FileType::Mbr,
        None => FileType::BinaryData,
    }
}

/// The type of the first partition, where all four could be partitions of this disk.
fn partitions(head: &[u8], length: usize) -> Option<u8> {
    let mut table = Reader::new(head.get(TABLE..SECTOR)?);
    let mut first = None;
    for _ in 0..4 {
        let status = table.u8("status").ok()?;
        table.take("CHS of the first sector", 3).ok()?;
        let kind = table.u8("type").ok()?;
        table.take("CHS of the last sector", 3).ok()?;
        let (start, count) = (table.u32_le("first LBA").ok()?, table.u32_le("sectors").ok()?);
        first = first.or(Some(kind));
        if first.is_some_and(|kind| PROTECTIVE.contains(&kind)) {
            return first;
        }
        let end = u64::from(start).checked_add(u64::from(count))?.checked_mul(512)?;
        if !matches!(status, 0 | 0x80) || end > u64::try_from(length).ok()? {
            return None;
        }
    }
    let signature = table.u16_le("signature").ok()?;
    first.filter(|_| signature == 0xaa55 && length >= 2 * SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(kind: u8, start: u32, count: u32) -> Vec<u8> {
        let mut sector = vec![0; 1024];
        sector[450] = kind;
        sector[454..458].copy_from_slice(&start.to_le_bytes());
        sector[458..462].copy_from_slice(&count.to_le_bytes());
        sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    #[test]
    fn partitions_must_lie_on_the_disk() {
        assert_eq!(boot_record(&sector(0x83, 1, 1), 1024), FileType::Mbr);
        assert_eq!(boot_record(&sector(0x83, 1, 2), 1024), FileType::BinaryData);
        assert_eq!(boot_record(&sector(0xee, 1, 99), 1024), FileType::Gpt);
        assert_eq!(boot_record(&sector(0x83, 1, 1)[..511], 1024), FileType::BinaryData);
    }
}
