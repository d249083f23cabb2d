//! What ClamAV makes of files: the forms that `clamscan --leave-temps` leaves.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use watchglass_normal::html::{self, Pages, Report};
use watchglass_normal::{Limits, text};

/// One of everything: tags, comments, references, data, a packed script, an encoded one.
pub(crate) const PAGE: &[u8] = b"<html><body class='x y'>Caf\xC3\xA9 &amp; &#65;&rsaquo;<!-- no -->\
<a href=\"HTTP://Example.org/A\">Link</a><img src=\"data:text/plain;base64,SGVsbG8=\">\
<img src='data:,a%20b&lt;c'><style>a { b: c }</style><script>var one = \"a\" + 'b\\x41', two = 1.50;\
function f(p, q) { var z = p; eval(\"unescape('%41');\"); return z.q }\
eval(function(p,a,c,k,e,d){while(c--)k=1}('0 1=2;3(1)',62,4,'var|x|hi|alert'.split('|'),0,{}))\
</script><script language=\"JScript.Encode\">#@~^DgAAAA==\\ko$K6,JCV^GJqAIAAA==^#~@</script></body>";

/// Says that a test could not run, which is a failure where all parts must be there.
pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

/// One clamscan at a time is enough; a database of one line that matches nothing.
const DATABASE: &str = "Nothing:0:*:0b1e55edc0ffee0b1e55edc0ffee0b1e\n";

/// The forms of one file.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    pub(crate) no_comment: Option<Vec<u8>>,
    pub(crate) no_tags: Option<Vec<u8>>,
    pub(crate) script: Option<Vec<u8>>,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) text: Option<Vec<u8>>,
}

/// Has clamscan look at `files`; gives its forms in the same order. None if it is not installed.
pub(crate) fn clamscan(files: &[Vec<u8>]) -> Option<Vec<Forms>> {
    let folder = tempfile::tempdir().unwrap();
    let (input, left) = (folder.path().join("in"), folder.path().join("left"));
    std::fs::create_dir(&input).unwrap();
    std::fs::create_dir(&left).unwrap();
    let database = folder.path().join("nothing.ndb");
    std::fs::write(&database, DATABASE).unwrap();
    for (index, file) in files.iter().enumerate() {
        std::fs::write(input.join(format!("f{index:06}")), file).unwrap();
    }
    let mut command = Command::new("clamscan");
    command.args(["--leave-temps", "--recursive", "--no-summary", "--infected"]);
    command.arg(format!("--tempdir={}", left.display()));
    command.arg(format!("--database={}", database.display())).arg(&input);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().ok()?;
    assert_eq!(status.code(), Some(0), "clamscan");
    let mut forms: Vec<Forms> = files.iter().map(|_| Forms::default()).collect();
    for entry in std::fs::read_dir(&left).unwrap() {
        let path = entry.unwrap().path();
        // 20261126_023848-f000001.d5b…
        let name = path.file_name().unwrap().to_str().unwrap();
        let index: usize = name.split("-f").nth(1).unwrap()[..6].parse().unwrap();
        collect(&path, &mut forms[index]);
    }
    Some(forms)
}

fn collect(folder: &Path, forms: &mut Forms) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            // Parts of messages within have pages of their own.
            if !name.starts_with("clamav-") || forms.no_comment.is_none() && !has_page(folder) {
                collect(&path, forms);
            }
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        match name.as_str() {
            "nocomment.html" => forms.no_comment = Some(bytes),
            "notags.html" => forms.no_tags = Some(bytes),
            "javascript" => forms.script = Some(bytes),
            _ if folder.ends_with("rfc2397") => forms.data.push(bytes),
            _ if name.starts_with("clamav-") => forms.text = forms.text.take().or(Some(bytes)),
            _ => (),
        }
    }
}

fn has_page(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.any(|entry| {
        entry.unwrap().file_name().to_str().is_some_and(|name| name.starts_with("html-tmp"))
    })
}

/// How many files had the same forms, and the first that had not.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    pub(crate) pages: usize,
    pub(crate) scripts: usize,
    pub(crate) data: usize,
    pub(crate) texts: usize,
    /// Texts with a run of white space over a border of ClamAV's blocks.
    pub(crate) borders: usize,
    /// Longer than ClamAV's, which gave up.
    pub(crate) resumed: usize,
    pub(crate) different: BTreeMap<usize, String>,
}

/// Compares our forms with clamscan's, file by file.
pub(crate) fn compare(files: &[Vec<u8>]) -> Option<Agreement> {
    let mut agreement = Agreement::default();
    for (chunk, some) in files.chunks(500).enumerate() {
        for (index, (file, forms)) in some.iter().zip(clamscan(some)?).enumerate() {
            if let Some(what) = differs(file, forms, &mut agreement) {
                agreement.different.insert(chunk * 500 + index, what);
            }
        }
    }
    Some(agreement)
}

fn differs(file: &[u8], mut theirs: Forms, agreement: &mut Agreement) -> Option<String> {
    if let Some(form) = &theirs.text
        && theirs.no_comment.is_none()
    {
        agreement.texts += 1;
        let mut ours = Vec::new();
        text::normalise(file, &Limits::CLAMAV, &mut ours).unwrap();
        // Two spaces where a run lies over a border of ClamAV's blocks: see `text::normalise`.
        let mut without_borders = Vec::new();
        text::normalise(form, &Limits::CLAMAV, &mut without_borders).unwrap();
        let borders = file.len() / (128 << 10);
        agreement.borders += usize::from(form.len() != without_borders.len());
        let is_explained = form.len() - without_borders.len() <= borders;
        return difference("text", &ours, if is_explained { &without_borders } else { form });
    }
    let no_comment = theirs.no_comment?;
    agreement.pages += 1;
    let mut pages = Pages::default();
    let report = html::normalise(file, &Limits::CLAMAV, &mut pages).unwrap();
    if report != Report::default() {
        assert_eq!(Report { resumed: 0, ..report }, Report::default());
        agreement.resumed += 1;
        assert!(pages.no_comment.starts_with(&no_comment), "a resumed page begins like ClamAV's");
        return None;
    }
    theirs.data.sort();
    pages.data.sort();
    let script = theirs.script.unwrap_or_default();
    agreement.scripts += usize::from(!script.is_empty());
    agreement.data += theirs.data.len();
    difference("no_comment", &pages.no_comment, &no_comment)
        .or_else(|| difference("no_tags", &pages.no_tags, &theirs.no_tags.unwrap_or_default()))
        .or_else(|| difference("script", &pages.script, &script))
        .or_else(|| difference("data", &pages.data.concat(), &theirs.data.concat()))
}

fn difference(what: &str, ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let at = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let around = |bytes: &[u8]| {
        let end = bytes.len().min(at + 40);
        bytes[at.saturating_sub(60).min(end)..end].escape_ascii().to_string()
    };
    let (length, length_theirs) = (ours.len(), theirs.len());
    Some(format!(
        "{what} at {at} of {length}/{length_theirs}\n ours   {}\n theirs {}",
        around(ours),
        around(theirs)
    ))
}

/// Files below `folder` whose names end so, in order of their paths, up to `most`.
pub(crate) fn files(folder: &Path, ends: &[&str], most: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && path.to_str().is_some_and(|name| ends.iter().any(|end| name.ends_with(end)))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    let step = (found.len() / most.max(1)).max(1);
    found.into_iter().step_by(step).take(most).collect()
}
