//! Our forms against those that the installed clamscan leaves.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests run clamscan")]
#![allow(clippy::print_stderr, reason = "figures, and what was skipped")]
#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use std::path::Path;

use common::{Agreement, PAGE, compare, skip};

#[test]
fn real_pages_and_texts_are_as_clamav_has_them() {
    let mut files = Vec::new();
    for folder in folders() {
        files.extend(common::files(&folder, &[".html", ".htm", ".xhtml", ".svg"], 100));
        files.extend(common::files(&folder, &[".js", ".py", ".h", ".txt", ".css"], 60));
    }
    let files = files.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    check("real_pages_and_texts_are_as_clamav_has_them", files);
}

#[test]
fn generated_pages_are_as_clamav_has_them() {
    let mut random = Random(0x5EED);
    let mut files: Vec<_> = (0..200).map(|_| page(&mut random)).collect();
    files.extend((7..PAGE.len()).step_by(5).map(|end| PAGE[..end].to_vec()));
    check("generated_pages_are_as_clamav_has_them", files);
}

/// Everything at hand: `WATCHGLASS_PAGES` names a folder more, `WATCHGLASS_SEED` another seed.
#[test]
#[ignore = "takes minutes"]
fn many_pages_are_as_clamav_has_them() {
    let mut files = Vec::new();
    if let Some(folder) = std::env::var_os("WATCHGLASS_PAGES") {
        files.extend(common::files(Path::new(&folder), &[""], 20_000));
    }
    let mut files: Vec<_> = files.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    let seed = std::env::var("WATCHGLASS_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Random(seed.unwrap_or(1));
    files.extend((0..2000).map(|_| page(&mut random)));
    check("many_pages_are_as_clamav_has_them", files);
}

fn check(name: &str, files: Vec<Vec<u8>>) {
    let Some(agreement) = compare(&files) else {
        return skip(name, "clamscan is not installed");
    };
    let Agreement { pages, scripts, data, texts, borders, resumed, different } = agreement;
    eprintln!(
        "{name}: {pages} pages ({scripts} with scripts, {resumed} resumed), {data} data addresses, \
         {texts} texts ({borders} with a border), {} different",
        different.len()
    );
    for (index, what) in different.iter().take(8) {
        eprintln!("file {index}: {what}");
        if let Some(folder) = std::env::var_os("WATCHGLASS_KEEP") {
            std::fs::write(Path::new(&folder).join(format!("f{index:06}")), &files[*index])
                .unwrap();
        }
    }
    assert!(pages + texts > 0, "clamscan left no forms");
    assert!(different.len() * 1000 <= pages + texts, "more than one in a thousand differs");
}

fn folders() -> Vec<std::path::PathBuf> {
    let mut folders = vec!["/usr/share".into(), "/usr/lib/python3".into()];
    let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    if let Ok(sysroot) = sysroot {
        folders.push(Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("share"));
    }
    folders
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A page made of what the state machine tells apart, in any order.
fn page(random: &mut Random) -> Vec<u8> {
    let mut page = random.pick(&["<html>", "<!DOCTYPE html><html>", "<HTML><BODY>\n"]).to_owned();
    let mut bytes = Vec::new();
    let length = [10, 60, 400, 3000][random.below(4)];
    for _ in 0..length {
        match random.below(12) {
            0..6 => page.push_str(random.pick(PIECES)),
            6 => page.push_str(random.pick(SCRIPT)),
            7 => {
                page.push_str("<script>");
                for _ in 0..random.below(40) {
                    page.push_str(random.pick(SCRIPT));
                }
                page.push_str(random.pick(&["</script>", "</script >", "</SCRIPT>", ""]));
            }
            8 => page.push_str(&format!("&#{};", random.below(70_000))),
            9 => page.push_str(&format!("&#x{:x}", random.below(1 << 20))),
            10 => {
                bytes.append(&mut std::mem::take(&mut page).into_bytes());
                bytes.push(u8::try_from(random.below(256)).unwrap());
            }
            _ => page.push_str(random.pick(WORDS)),
        }
    }
    bytes.append(&mut page.into_bytes());
    bytes
}

const WORDS: &[&str] = &[
    "Word ",
    "x",
    " ",
    "\n",
    "\r\n",
    "\t ",
    "  ",
    "A-B",
    "café",
    "。",
    "．",
    "\u{FE52}",
    "0123456789",
    "loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong",
    "\\",
    "\0",
];

const PIECES: &[&str] = &[
    "<",
    ">",
    "</",
    "<!--",
    "-->",
    "<!",
    "'",
    "\"",
    "=",
    "&",
    ";",
    "&amp;",
    "&lt;",
    "&copy;",
    "&Mu;",
    "&rsaquo;",
    "&nosuch;",
    "&un finished",
    "&#",
    "&#x41;",
    "&#65",
    "&#99999999999999999999;",
    "<a ",
    "<A HREF=\"http://Example.ORG/A b\">",
    "<a href='x'>",
    "<a href=bare>",
    "</a>",
    "<img src=Pic.png>",
    "<img src=\"data:text/plain;base64,SGVsbG8=\">",
    "<img src='data:,a%20b%4'>",
    "<p class=a b=c d>",
    "<img src=data:image/gif;x,abc>",
    "<img src=\"data:text/html\n;x,&amp;%41%zz\\\"q\">",
    "data:",
    "<br/>",
    "< B >",
    "<x y = 'z' w= \"v\"  >",
    "<x y='a\"b' z=\"c'd\">",
    "<x y=\"a > b\">",
    "<style>",
    "a{b:c}",
    "</style>",
    "<script>",
    "</script>",
    "<script language=\"JavaScript\">",
    "<%@ language=x%>",
    "<script language=\"JScript.Encode\">#@~^CAAAAA==\\ko$K6,JCV^GJqAIAAA==^#~@</script>",
    "<script language=VBScript.Encode x>",
    "#@~^DgAAAA==",
    "^#~@",
    "<%@ language=jscript.encode>",
    "<%@ language=\"VBScript.Encode\" %>",
    "@#@&@!@*@$",
    "<form action=q>",
    "<!DOCTYPE x>",
    "\u{A1}",
];

const SCRIPT: &[&str] = &[
    "var ",
    "a",
    "b",
    "foo",
    "function ",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    ".",
    "=",
    "+",
    "\"",
    "'",
    "\"str\"",
    "'it'",
    "\"a\"+\"b\"",
    "\"x\\x41\\u0042\\n\"",
    "1",
    "0x1F",
    "1.5",
    "3.25e10",
    "2.e",
    "99999999999",
    "//c ",
    "/*",
    "*/",
    "/",
    "/re/g",
    "eval(\"var z=1;z+'q'\")",
    "eval('eval(\"x\")')",
    "unescape('%41%u0042')",
    "unescape(\"%zz\"",
    "dF('%264Dtdsjqu%264F1')",
    "return ",
    "new ",
    "===",
    ">>>=",
    "!",
    "\\u0041b",
    "$",
    "_c",
    "if(",
    "else ",
    "\n",
    " ",
    "function f(a,b){var c=a;return c}",
    "eval(function(p,a,c,k,e,d){while(c--)k=1}('0 1=\\'2\\';3(1)',62,4,'var|x|hi|alert'.split('|'),0,{}))",
    "function g(p,a,c,k,e,r){return p}g('1 2',10,3,'|zero|one',0,{});",
    "document.write",
    "window['x']",
    "é",
    "\0",
    "`t${x}`",
    "#",
];
