//! Mail: messages with parts in quoted-printable and base64, alone and in mailboxes.

use data_encoding::BASE64_MIME;

use super::Page;
use crate::mark::Place;

impl Page<'_> {
    /// A message with a text, a note and an attachment, each with a mark (RFC 5322, RFC 2046).
    pub(super) fn message(&mut self) -> String {
        let boundary = self.draw.hex(24);
        let subject = self.mark(Place::Header);
        let head = self.headers(&subject, &format!("multipart/mixed; boundary=\"{boundary}\""));
        let note = format!("{} = {}", self.paragraph(), self.mark(Place::QuotedPart));
        let attachment = format!(
            "{}\n{}\n{}\n",
            self.paragraph(),
            self.mark(Place::Base64Part),
            self.paragraph()
        );
        let name = self.word();
        let text = self.paragraph();
        format!(
            "{head}\n--{boundary}\nContent-Type: text/plain; charset=us-ascii\n\n{text}\n\
             --{boundary}\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\n{}\n\
             --{boundary}\nContent-Type: application/octet-stream; name=\"{name}.dat\"\n\
             Content-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"{name}.dat\"\n\n{}\n--{boundary}--\n",
            quoted_printable(&note),
            base64_lines(attachment.as_bytes()),
        )
    }

    /// Messages after each other, as in RFC 4155; the first, middle and last carry a mark.
    pub(super) fn mailbox(&mut self) -> String {
        let count = self.draw.between(12, 40);
        let mut mailbox = String::new();
        for number in 0..count {
            let subject = self.title();
            let head = self.headers(&subject, "text/plain; charset=us-ascii");
            let body = self.cell(number, count);
            let rest = self.paragraph();
            mailbox
                .push_str(&format!("From - Mon Jan  1 00:00:00 2024\n{head}\n{body}\n{rest}\n\n"));
        }
        mailbox
    }

    fn headers(&mut self, subject: &str, content_type: &str) -> String {
        let (sender, domain, id) = (self.word(), self.word(), self.draw.hex(20));
        let to = &self.profile.identity;
        let (full_name, user) = (&to.full_name, &to.user);
        format!(
            "From: {sender}@{domain}.example\nTo: \"{full_name}\" <{user}@{domain}.example>\n\
             Subject: {subject}\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\
             Message-ID: <{id}@{domain}.example>\nMIME-Version: 1.0\nContent-Type: {content_type}\n"
        )
    }
}

/// RFC 2045 §6.7. Every letter `e` is written out too, as careful mailers do with more than they
/// must; a reader accepts it.
fn quoted_printable(text: &str) -> String {
    let (mut lines, mut column) = (String::new(), 0_usize);
    for byte in text.bytes() {
        let plain = byte == b' ' || byte.is_ascii_graphic() && byte != b'=' && byte != b'e';
        let written = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if column.saturating_add(written.len()) > 72 {
            lines.push_str("=\n");
            column = 0;
        }
        column = column.saturating_add(written.len());
        lines.push_str(&written);
    }
    lines
}

/// Lines of 76 digits.
pub(crate) fn base64_lines(bytes: &[u8]) -> String {
    BASE64_MIME.encode(bytes).replace("\r\n", "\n").trim_end().to_owned()
}
