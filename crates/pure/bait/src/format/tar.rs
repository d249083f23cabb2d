//! Tape archives (POSIX.1-1988 ustar).

const BLOCK: usize = 512;

/// An archive of `members`, name and bytes each. A name over 100 bytes is cut.
pub(crate) fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in members {
        archive.extend(header(name, bytes.len()));
        archive.extend(bytes);
        fill_block(&mut archive);
    }
    archive.extend([0; BLOCK]);
    archive.extend([0; BLOCK]);
    archive
}

fn header(name: &str, length: usize) -> Vec<u8> {
    let mut header = field(name.as_bytes(), 100);
    header.extend(b"0000644\x000001750\x000001750\x00");
    header.extend(format!("{length:011o}\0").bytes());
    header.extend(b"14527405600\x00");
    // The check sum counts its own field as blanks.
    let mut rest = b"0".to_vec();
    rest.extend([0; 100]);
    rest.extend(b"ustar\x0000");
    rest.extend([0; BLOCK - 265]);
    let sum = header.iter().chain(&rest).map(|&byte| u32::from(byte)).sum::<u32>();
    let sum = sum.saturating_add(u32::from(b' ').saturating_mul(8));
    header.extend(format!("{sum:06o}\0 ").bytes());
    header.extend(rest);
    header
}

fn field(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
}

fn fill_block(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}
