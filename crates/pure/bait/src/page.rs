//! What stands in one file.

use crate::archive::{Member, tar_gz, zip};
use crate::database::sqlite;
use crate::draw::{Draw, Seed};
use crate::identity::Profile;
use crate::mark::{Mark, Place};
use crate::picture::{jpeg, png};
use crate::plan::{Kind, Planned};
use crate::words::Vocabulary;

/// One file in the making.
pub(crate) struct Page<'a> {
    seed: &'a Seed,
    vocabulary: &'a Vocabulary,
    profile: &'a Profile,
    planned: &'a Planned,
    draw: Draw,
    marks: Vec<Mark>,
}

/// Phrases that a spy would look for, in several languages.
const MARKINGS: &[&str] = &[
    "OFFICIAL-SENSITIVE",
    "UK SECRET",
    "TOP SECRET",
    "VS-NUR FÜR DEN DIENSTGEBRAUCH",
    "DIFFUSION RESTREINTE",
    "СЕКРЕТНО",
];

impl<'a> Page<'a> {
    pub(crate) fn new(
        seed: &'a Seed,
        vocabulary: &'a Vocabulary,
        profile: &'a Profile,
        planned: &'a Planned,
    ) -> Self {
        let draw = Draw::new(seed, &[b"page", planned.path.as_bytes()]);
        Self { seed, vocabulary, profile, planned, draw, marks: Vec::new() }
    }

    /// The bytes and the marks in them.
    pub(crate) fn write(mut self) -> (Vec<u8>, Vec<Mark>) {
        let bytes = match self.planned.kind {
            Kind::Text => self.text().into_bytes(),
            Kind::Markdown => format!("# {}\n\n{}", self.title(), self.text()).into_bytes(),
            Kind::Csv => self.table(),
            Kind::Docx => self.docx(),
            Kind::Xlsx => self.xlsx(),
            Kind::Odt => self.odt(),
            Kind::Pdf => self.pdf(),
            Kind::Mail => self.mail(),
            Kind::Mailbox => self.mailbox(),
            Kind::RustSource => self.source("//", "const KEY: &str = \"", "\";"),
            Kind::PythonSource => self.source("#", "KEY = \"", "\""),
            Kind::CSource => self.source("//", "static const char *key = \"", "\";"),
            Kind::SshKey => self.armoured("OPENSSH PRIVATE KEY"),
            Kind::PemKey => self.armoured("PRIVATE KEY"),
            Kind::Environment => self.settings("DATABASE_PASSWORD="),
            Kind::Kubeconfig => self.settings("    token: "),
            Kind::CloudCredentials => self.settings("aws_secret_access_key = "),
            Kind::ShellHistory => self.history(),
            Kind::BrowserPlaces => self.database("moz_places", "url"),
            Kind::BrowserCookies => self.database("moz_cookies", "value"),
            Kind::BrowserLogins => self.logins(),
            Kind::Jpeg => self.picture(jpeg),
            Kind::Png => self.picture(png),
            Kind::Zip => self.container(|members, comment| zip(members, comment)),
            Kind::TarGz => self.container(|members, _| tar_gz(members)),
        };
        (bytes, self.marks)
    }

    /// A mark for a place of this file; nothing in a file that carries none.
    fn mark(&mut self, place: Place) -> String {
        if !self.planned.marked {
            return String::new();
        }
        let mark = Mark::of(self.seed, &self.planned.path, place);
        let text = mark.text.clone();
        self.marks.push(mark);
        text
    }

    fn title(&mut self) -> String {
        self.vocabulary.title(&mut self.draw, 4)
    }

    fn paragraphs(&mut self, count: u32) -> String {
        let paragraphs: Vec<String> =
            (0..count).map(|_| self.vocabulary.paragraph(&mut self.draw)).collect();
        paragraphs.join("\n\n")
    }

    /// Text with marks at its start, at 4 KiB, in its middle and at its end; a third of the texts
    /// is long enough to have a second page.
    fn text(&mut self) -> String {
        let count = self.draw.between(3, 12);
        let marking = self.profile.markings && self.draw.one_in(8);
        let marking =
            if marking { format!("{}\n\n", self.draw.pick(MARKINGS)) } else { String::new() };
        let head = self.mark(Place::Head);
        let first = self.paragraphs(count);
        let middle = self.mark(Place::Middle);
        let second = self.paragraphs(count);
        let mut text = format!("{marking}{head}\n{first}\n{middle}\n{second}\n");
        if text.len() > 4096 {
            let cut = (0..=4096).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let mark = self.mark(Place::FourKib);
            text.insert_str(cut, &mark);
        }
        let tail = self.mark(Place::Tail);
        text.push_str(&tail);
        text.push('\n');
        text
    }

    fn table(&mut self) -> Vec<u8> {
        let rows: Vec<String> = (0..self.draw.between(8, 40))
            .map(|row| {
                let (name, amount) = (self.title(), self.draw.between(10, 99_999));
                let note = if row % 16 == 0 { self.mark(Place::Row(row)) } else { String::new() };
                format!("{row},{name},{amount},{note}\n")
            })
            .collect();
        format!("id,name,amount,note\n{}", rows.concat()).into_bytes()
    }

    fn office(&mut self, members: Vec<Member>) -> Vec<u8> {
        let (title, author) = (self.mark(Place::Title), self.mark(Place::Author));
        let core = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><cp:coreProperties \
             xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
             <dc:creator>{author}</dc:creator></cp:coreProperties>"
        );
        let mut all = members;
        all.push(Member::new("docProps/core.xml", core.as_bytes()));
        zip(&all, "")
    }

    fn docx(&mut self) -> Vec<u8> {
        let body: String = self
            .text()
            .lines()
            .map(|line| format!("<w:p><w:r><w:t>{line}</w:t></w:r></w:p>"))
            .collect();
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document \
             xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"
        );
        let main =
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
        let members = package("word/document.xml", main, &document);
        self.office(members)
    }

    fn xlsx(&mut self) -> Vec<u8> {
        let table = self.table();
        let rows: String = String::from_utf8_lossy(&table)
            .lines()
            .map(|line| {
                let cells = line
                    .split(',')
                    .map(|cell| format!("<c t=\"inlineStr\"><is><t>{cell}</t></is></c>"));
                format!("<row>{}</row>", cells.collect::<String>())
            })
            .collect();
        let space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        let sheet = format!(
            "<?xml version=\"1.0\"?><worksheet xmlns=\"{space}\"><sheetData>{rows}</sheetData></worksheet>"
        );
        let book = format!(
            "<?xml version=\"1.0\"?><workbook xmlns=\"{space}\" xmlns:r=\"{RELATIONSHIPS}\"><sheets>\
             <sheet name=\"1\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
        );
        let links = format!(
            "<?xml version=\"1.0\"?><Relationships xmlns=\"{PACKAGE_LINKS}\"><Relationship Id=\"r1\" \
             Type=\"{RELATIONSHIPS}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
        );
        let main = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";
        let mut members = package("xl/workbook.xml", main, &book);
        members.push(Member::new("xl/_rels/workbook.xml.rels", links.as_bytes()));
        members.push(Member::new("xl/worksheets/sheet1.xml", sheet.as_bytes()));
        self.office(members)
    }

    fn odt(&mut self) -> Vec<u8> {
        let body: String =
            self.text().lines().map(|line| format!("<text:p>{line}</text:p>")).collect();
        let content = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content \
             xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
             xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" office:version=\"1.2\">\
             <office:body><office:text>{body}</office:text></office:body></office:document-content>"
        );
        let comment = self.mark(Place::Comment);
        let members = [
            Member::new("mimetype", b"application/vnd.oasis.opendocument.text"),
            Member::new("content.xml", content.as_bytes()),
        ];
        zip(&members, &comment)
    }

    /// Catalogue, pages, page, font, text, information; then the table of their places.
    fn pdf(&mut self) -> Vec<u8> {
        let lines: String = self
            .text()
            .lines()
            .map(|line| {
                let plain: String =
                    line.chars().filter(|c| c.is_ascii() && !"()\\".contains(*c)).collect();
                format!("({plain}) Tj T*\n")
            })
            .collect();
        let stream = format!("BT /F1 10 Tf 12 TL 40 780 Td\n{lines}ET");
        let author = self.mark(Place::Author);
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R \
             /Resources << /Font << /F1 4 0 R >> >> >>"
                .to_owned(),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
            format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()),
            format!("<< /Author ({author}) >>"),
        ];
        let (mut file, mut places) = (b"%PDF-1.4\n".to_vec(), String::new());
        for (object, number) in objects.iter().zip(1..) {
            places.push_str(&format!("{:010} 00000 n \n", file.len()));
            file.extend(format!("{number} 0 obj\n{object}\nendobj\n").bytes());
        }
        let start = file.len();
        file.extend(format!(
            "xref\n0 7\n0000000000 65535 f \n{places}trailer\n<< /Size 7 /Root 1 0 R /Info 6 0 R >>\n\
             startxref\n{start}\n%%EOF\n"
        ).bytes());
        file
    }

    fn mail(&mut self) -> Vec<u8> {
        let (id, subject) = (self.mark(Place::Header), self.title());
        let quoted = self.mark(Place::QuotedPart);
        let (text, attachment) = (self.paragraphs(2), self.paragraphs(1));
        let attached = self.mark(Place::Base64Part);
        let coded =
            data_encoding::BASE64_MIME.encode(format!("{attachment}\n{attached}\n").as_bytes());
        format!(
            "Message-ID: <{id}@mail.example>\nFrom: {}@example.org\nTo: other@example.org\nSubject: {subject}\n\
             Date: Mon, 1 Sep 2025 10:00:00 +0000\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\n{text}\n{quoted}\n\n--b\n\
             Content-Type: text/plain; name=\"notes.txt\"\nContent-Transfer-Encoding: base64\n\n{coded}\n--b--\n",
            self.profile.identity.user
        ).into_bytes()
    }

    fn mailbox(&mut self) -> Vec<u8> {
        let mut mailbox = b"From sender@example.org Mon Sep  1 10:00:00 2025\n".to_vec();
        mailbox.extend(self.mail());
        mailbox.push(b'\n');
        mailbox
    }

    fn source(&mut self, comment: &str, before: &str, after: &str) -> Vec<u8> {
        let (note, literal) = (self.mark(Place::Comment), self.mark(Place::Literal));
        let lines: Vec<String> = (0..self.draw.between(10, 40))
            .map(|_| format!("{comment} {}", self.vocabulary.sentence(&mut self.draw)))
            .collect();
        let tail = self.mark(Place::Tail);
        format!(
            "{comment} {note}\n{before}{literal}{after}\n{}\n{comment} {tail}\n",
            lines.join("\n")
        )
        .into_bytes()
    }

    /// Key text as its tools write it; no such key was ever made.
    fn armoured(&mut self, kind: &str) -> Vec<u8> {
        let secret = self.mark(Place::Secret);
        let mut bytes = b"openssh-key-v1\0".to_vec();
        bytes.extend(self.draw.bytes(160));
        bytes.extend(secret.bytes());
        bytes.extend(self.draw.bytes(60));
        let coded = data_encoding::BASE64.encode(&bytes);
        let lines: Vec<&[u8]> = coded.as_bytes().chunks(70).collect();
        let comment = self.mark(Place::Comment);
        let head = format!("-----BEGIN {kind}-----\n").into_bytes();
        let tail = format!("\n-----END {kind}-----\n{comment}\n").into_bytes();
        [head, lines.join(&b'\n'), tail].concat()
    }

    fn settings(&mut self, key: &str) -> Vec<u8> {
        let (name, secret) =
            (self.vocabulary.word(&mut self.draw).to_owned(), self.mark(Place::Secret));
        let comment = self.mark(Place::Comment);
        format!("# {name} {comment}\n[default]\n{key}{secret}\n").into_bytes()
    }

    fn history(&mut self) -> Vec<u8> {
        let (secret, row) = (self.mark(Place::Secret), self.mark(Place::Row(1)));
        format!("cd projects\nls -la\ncurl -H 'Authorization: Bearer {secret}' https://api.example\ngit commit -m {row}\n").into_bytes()
    }

    fn database(&mut self, table: &str, column: &str) -> Vec<u8> {
        let rows: Vec<String> = (0..12_u32)
            .map(|row| {
                let mark = if row % 4 == 0 { self.mark(Place::Row(row)) } else { String::new() };
                format!("https://{}.example/{mark}", self.vocabulary.word(&mut self.draw))
            })
            .collect();
        sqlite(table, column, &rows)
    }

    fn logins(&mut self) -> Vec<u8> {
        let (host, secret) =
            (self.vocabulary.word(&mut self.draw).to_owned(), self.mark(Place::Secret));
        format!("{{\"logins\":[{{\"id\":1,\"hostname\":\"https://{host}.example\",\"encryptedPassword\":\"{secret}\"}}],\"version\":3}}\n").into_bytes()
    }

    fn picture(&mut self, make: fn(&str, u8) -> Vec<u8>) -> Vec<u8> {
        let text = self.mark(Place::PictureText);
        make(&text, self.draw.byte())
    }

    fn container(&mut self, make: fn(&[Member], &str) -> Vec<u8>) -> Vec<u8> {
        let members: Vec<Member> = (0..3_u32)
            .map(|number| {
                let (name, text) =
                    (self.vocabulary.word(&mut self.draw).to_owned(), self.paragraphs(2));
                let mark = self.mark(Place::Member(number));
                Member::new(&format!("{name}.txt"), format!("{text}\n{mark}\n").as_bytes())
            })
            .collect();
        make(&members, "")
    }
}

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE_LINKS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

/// The parts that every Office Open XML package has (ECMA-376 part 2).
fn package(main: &str, content_type: &str, document: &str) -> Vec<Member> {
    let types = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Types \
         xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/{main}\" ContentType=\"{content_type}\"/></Types>"
    );
    let links = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Relationships xmlns=\"{PACKAGE_LINKS}\"><Relationship \
         Id=\"r1\" Type=\"{RELATIONSHIPS}/officeDocument\" Target=\"{main}\"/></Relationships>"
    );
    vec![
        Member::new("[Content_Types].xml", types.as_bytes()),
        Member::new("_rels/.rels", links.as_bytes()),
        Member::new(main, document.as_bytes()),
    ]
}
