//! Documents in PDF 1.4 (ISO 32000-1), one page of text after another.

use super::zlib;

/// What a document says about itself.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) title: &'a str,
    pub(crate) author: &'a str,
}

const LINES_PER_PAGE: usize = 56;

/// A document of these lines of ASCII text.
pub(crate) fn pdf(about: &About<'_>, lines: &[String]) -> Vec<u8> {
    let mut objects = Objects::default();
    let catalog = objects.reserve();
    let pages = objects.reserve();
    let font = objects.add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec());
    let kids: Vec<String> = lines
        .chunks(LINES_PER_PAGE)
        .map(|lines| {
            let stream = objects.add(content(lines));
            let page = format!(
                "<</Type/Page/Parent {pages} 0 R/MediaBox[0 0 595 842]/Contents {stream} 0 R\
                 /Resources<</Font<</F1 {font} 0 R>>>>>>"
            );
            format!("{} 0 R", objects.add(page.into_bytes()))
        })
        .collect();
    let tree = format!("<</Type/Pages/Count {}/Kids[{}]>>", kids.len(), kids.join(" "));
    objects.set(pages, tree.into_bytes());
    objects.set(catalog, format!("<</Type/Catalog/Pages {pages} 0 R>>").into_bytes());
    let title = escaped(about.title);
    let about = format!("<</Title({title})/Author({})>>", escaped(about.author));
    let info = objects.add(about.into_bytes());
    objects.file(catalog, info)
}

fn content(lines: &[String]) -> Vec<u8> {
    let mut text = "BT /F1 10 Tf 14 TL 50 790 Td\n".to_owned();
    for line in lines {
        text.push_str(&format!("({}) Tj T*\n", escaped(line)));
    }
    text.push_str("ET\n");
    let body = zlib(text.as_bytes());
    let head = format!("<</Length {}/Filter/FlateDecode>>\nstream\n", body.len());
    [head.as_bytes(), &body, b"\nendstream"].concat()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")
}

/// Numbered objects, from 1.
#[derive(Default)]
struct Objects {
    bodies: Vec<Vec<u8>>,
}

impl Objects {
    fn add(&mut self, body: Vec<u8>) -> usize {
        self.bodies.push(body);
        self.bodies.len()
    }

    /// A number for an object that is made later.
    fn reserve(&mut self) -> usize {
        self.add(Vec::new())
    }

    fn set(&mut self, number: usize, body: Vec<u8>) {
        if let Some(slot) = number.checked_sub(1).and_then(|at| self.bodies.get_mut(at)) {
            *slot = body;
        }
    }

    fn file(&self, catalog: usize, info: usize) -> Vec<u8> {
        let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
        let mut table = "0000000000 65535 f \n".to_owned();
        for (body, number) in self.bodies.iter().zip(1_usize..) {
            table.push_str(&format!("{:010} 00000 n \n", file.len()));
            file.extend(format!("{number} 0 obj\n").bytes());
            file.extend(body);
            file.extend(b"\nendobj\n");
        }
        let start = file.len();
        let size = self.bodies.len().saturating_add(1);
        file.extend(format!("xref\n0 {size}\n{table}").bytes());
        file.extend(
            format!(
                "trailer\n<</Size {size}/Root {catalog} 0 R/Info {info} 0 R>>\nstartxref\n{start}\n%%EOF\n"
            )
            .bytes(),
        );
        file
    }
}
