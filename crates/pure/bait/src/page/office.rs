//! Office documents: the fewest parts with which word processors open them.

use super::Page;
use crate::format::pdf::{About, pdf};
use crate::format::zip::{Method, Zip};
use crate::mark::{Mark, Place};

impl Page<'_> {
    pub(super) fn docx(&mut self) -> Vec<u8> {
        let length = self.draw.size(1_500, 12_000);
        let paragraph = |text: &String| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
        let body: String = self.body(length).iter().map(paragraph).collect();
        let comment = self.mark(Place::Comment);
        let document =
            format!("{XML}<w:document {W}><w:body>{body}<w:sectPr/></w:body></w:document>");
        let comments = format!(
            "{XML}<w:comments {W}><w:comment w:id=\"0\" w:author=\"{}\">{}</w:comment></w:comments>",
            self.profile.identity.full_name,
            paragraph(&comment)
        );
        let types = content_types(&[
            ("/word/document.xml", "wordprocessingml.document.main"),
            ("/word/comments.xml", "wordprocessingml.comments"),
        ]);
        let parts = [
            ("[Content_Types].xml", types),
            ("_rels/.rels", root_relations("word/document.xml")),
            ("word/_rels/document.xml.rels", relations(&[("comments", "comments.xml")])),
            ("word/document.xml", document),
            ("word/comments.xml", comments),
            ("docProps/core.xml", self.core_properties()),
        ];
        self.package(&parts)
    }

    pub(super) fn xlsx(&mut self) -> Vec<u8> {
        let rows = self.draw.between(20, 200);
        let (mut strings, mut sheet) = (String::new(), String::new());
        for row in 0..rows {
            strings.push_str(&format!("<si><t>{}</t></si>", self.cell(row, rows)));
            let (number, amount) = (row.saturating_add(1), self.draw.below(100_000));
            sheet.push_str(&format!(
                "<row r=\"{number}\"><c r=\"A{number}\" t=\"s\"><v>{row}</v></c>\
                 <c r=\"B{number}\"><v>{amount}</v></c></row>"
            ));
        }
        let name = self.word();
        let workbook = format!(
            "{XML}<workbook {S} {R}><sheets><sheet name=\"{name}\" sheetId=\"1\" r:id=\"rId1\"/>\
             </sheets></workbook>"
        );
        let types = content_types(&[
            ("/xl/workbook.xml", "spreadsheetml.sheet.main"),
            ("/xl/worksheets/sheet1.xml", "spreadsheetml.worksheet"),
            ("/xl/sharedStrings.xml", "spreadsheetml.sharedStrings"),
        ]);
        let related =
            [("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")];
        let sheet = format!("{XML}<worksheet {S}><sheetData>{sheet}</sheetData></worksheet>");
        let strings =
            format!("{XML}<sst {S} count=\"{rows}\" uniqueCount=\"{rows}\">{strings}</sst>");
        let parts = [
            ("[Content_Types].xml", types),
            ("_rels/.rels", root_relations("xl/workbook.xml")),
            ("xl/_rels/workbook.xml.rels", relations(&related)),
            ("xl/workbook.xml", workbook),
            ("xl/worksheets/sheet1.xml", sheet),
            ("xl/sharedStrings.xml", strings),
            ("docProps/core.xml", self.core_properties()),
        ];
        self.package(&parts)
    }

    pub(super) fn odt(&mut self) -> Vec<u8> {
        let length = self.draw.size(1_500, 9_000);
        let paragraph = |text: &String| format!("<text:p>{text}</text:p>");
        let body: String = self.body(length).iter().map(paragraph).collect();
        let content = format!(
            "{XML}<office:document-content {ODF} office:version=\"1.2\"><office:body>\
             <office:text>{body}</office:text></office:body></office:document-content>"
        );
        let (title, author) = (self.mark(Place::Title), self.mark(Place::Author));
        let meta = format!(
            "{XML}<office:document-meta {ODF} office:version=\"1.2\"><office:meta><dc:title>{title}\
             </dc:title><dc:creator>{author}</dc:creator></office:meta></office:document-meta>"
        );
        let entry = |path: &str, kind: &str| {
            format!(
                "<manifest:file-entry manifest:full-path=\"{path}\" manifest:media-type=\"{kind}\"/>"
            )
        };
        let manifest = format!(
            "{XML}<manifest:manifest {MANIFEST} manifest:version=\"1.2\">{}{}{}</manifest:manifest>",
            entry("/", ODT_TYPE),
            entry("content.xml", "text/xml"),
            entry("meta.xml", "text/xml")
        );
        let mut zip = Zip::default();
        // OpenDocument 1.2 part 3, 3.3: the type comes first and is not compressed.
        zip.add("mimetype", Method::Stored, ODT_TYPE.as_bytes());
        zip.add("META-INF/manifest.xml", Method::Deflated, manifest.as_bytes());
        zip.add("content.xml", Method::Deflated, content.as_bytes());
        zip.add("meta.xml", Method::Deflated, meta.as_bytes());
        zip.finish()
    }

    pub(super) fn pdf(&mut self) -> Vec<u8> {
        let length = self.draw.size(1_000, 12_000);
        // The pages' font shows ASCII; a marking in another script is left to the other kinds.
        let paragraphs: Vec<String> =
            self.body(length).into_iter().filter(|paragraph| paragraph.is_ascii()).collect();
        let lines: Vec<String> = paragraphs.iter().flat_map(|text| self.lines(text)).collect();
        let (title, author) = (self.mark(Place::Title), self.mark(Place::Author));
        pdf(&About { title: &title, author: &author }, &lines)
    }

    /// Lines of a page. A mark stands in one of them, or the page would not hold it in one piece.
    fn lines(&self, paragraph: &str) -> Vec<String> {
        let held = |text: String, mark: &Mark| {
            text.replace(&mark.text, &mark.text.replace(' ', NO_BREAK_SPACE))
        };
        let text = self.marks.iter().fold(paragraph.to_owned(), held);
        wrapped(&text, 90).iter().map(|line| line.replace(NO_BREAK_SPACE, " ")).collect()
    }

    fn core_properties(&mut self) -> String {
        let (title, author) = (self.mark(Place::Title), self.mark(Place::Author));
        format!(
            "{XML}<cp:coreProperties {CORE}><dc:title>{title}</dc:title><dc:creator>{author}\
             </dc:creator></cp:coreProperties>"
        )
    }

    /// One package of six is stored without compression.
    fn package(&mut self, parts: &[(&str, String)]) -> Vec<u8> {
        let method = if self.draw.one_in(6) { Method::Stored } else { Method::Deflated };
        let mut zip = Zip::default();
        for (name, part) in parts {
            zip.add(name, method, part.as_bytes());
        }
        zip.finish()
    }
}

const NO_BREAK_SPACE: &str = "\u{a0}";

/// Lines of at most `width` bytes; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        let fits = |line: &String| line.len().saturating_add(word.len()) < width;
        match lines.last_mut().filter(|line| line.is_empty() || fits(line)) {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn content_types(parts: &[(&str, &str)]) -> String {
    let part = |(name, kind): &(&str, &str)| {
        format!("<Override PartName=\"{name}\" ContentType=\"{OFFICE_TYPE}.{kind}+xml\"/>")
    };
    let parts: String = parts.iter().map(part).collect();
    format!(
        "{XML}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>{parts}\
         <Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/></Types>"
    )
}

fn root_relations(document: &str) -> String {
    format!(
        "{XML}<Relationships xmlns=\"{PACKAGE}/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{RELATION}/officeDocument\" Target=\"{document}\"/>\
         <Relationship Id=\"rId2\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>\
         </Relationships>"
    )
}

fn relations(parts: &[(&str, &str)]) -> String {
    let relation = |((kind, target), number): (&(&str, &str), u32)| {
        format!("<Relationship Id=\"rId{number}\" Type=\"{RELATION}/{kind}\" Target=\"{target}\"/>")
    };
    let relations: String = parts.iter().zip(1..).map(relation).collect();
    format!("{XML}<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}</Relationships>")
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const OFFICE_TYPE: &str = "application/vnd.openxmlformats-officedocument";
const W: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
const S: &str = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
const R: &str = "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
const CORE: &str = "xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
                    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";
const ODF: &str = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
                   xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" \
                   xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";
const MANIFEST: &str = "xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"";
const ODT_TYPE: &str = "application/vnd.oasis.opendocument.text";
