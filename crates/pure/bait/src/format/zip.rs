//! Zip archives (APPNOTE 6.3, without Zip64).

use super::{deflate, length_u16, length_u32};

/// An archive under way.
#[derive(Debug, Default)]
pub(crate) struct Zip {
    members: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
    comment: String,
}

/// How a member is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
}

/// 1 January 2024 in the format of MS-DOS; times of members say nothing here.
const DATE: [u8; 2] = [0x21, 0x58];

impl Zip {
    pub(crate) fn add(&mut self, name: &str, method: Method, bytes: &[u8]) {
        let (number, body) = match method {
            Method::Stored => (0_u16, bytes.to_vec()),
            Method::Deflated => (8, deflate(bytes)),
        };
        let offset = length_u32(&self.members);
        // 4.3.7: from "general purpose bit flag" (UTF-8 names) to "extra field length".
        let mut fields = vec![0, 8];
        fields.extend(number.to_le_bytes());
        fields.extend([0, 0]);
        fields.extend(DATE);
        fields.extend(crc32fast::hash(bytes).to_le_bytes());
        fields.extend(length_u32(&body).to_le_bytes());
        fields.extend(length_u32(bytes).to_le_bytes());
        fields.extend(length_u16(name.as_bytes()).to_le_bytes());
        fields.extend([0, 0]);
        self.members.extend(b"PK\x03\x04\x14\x00");
        self.members.extend(&fields);
        self.members.extend(name.as_bytes());
        self.members.extend(body);
        // 4.3.12: the same fields, then comment length, disk, attributes, offset.
        self.directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        self.directory.extend(&fields);
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count = self.count.saturating_add(1);
    }

    /// Sets what the archive says about itself.
    pub(crate) fn comment(&mut self, comment: &str) {
        comment.clone_into(&mut self.comment);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let Self { members: mut file, directory, count, comment } = self;
        let offset = length_u32(&file);
        file.extend(&directory);
        // 4.3.16.
        file.extend(b"PK\x05\x06\x00\x00\x00\x00");
        file.extend(count.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(length_u32(&directory).to_le_bytes());
        file.extend(offset.to_le_bytes());
        file.extend(length_u16(comment.as_bytes()).to_le_bytes());
        file.extend(comment.as_bytes());
        file
    }
}
