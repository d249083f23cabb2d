//! Documents that others wrote: the tests of the libraries that read them, as Debian has their sources.
//!
//! A machine for building software has few documents of its own. These are fetched when they are
//! measured, read, and are no part of the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::place::{output, succeed};
use crate::trouble::Trouble;

/// Where they are, and what they are for readers of the figures.
pub(super) struct Documents {
    pub(super) tree: PathBuf,
    pub(super) are: Value,
}

/// A source package of Debian, and what its documents are.
struct Source {
    name: &'static str,
    holds: &'static str,
}

const SOURCES: &[Source] = &[
    Source {
        name: "libapache-poi-java",
        holds: "documents of all versions of Microsoft Office, and reports of defects among them",
    },
    Source { name: "libpdfbox2-java", holds: "PDF of many writers" },
    Source { name: "unrtf", holds: "RTF" },
];

/// Endings of what is taken out of a source package.
const ENDINGS: &[&str] = &[
    "doc", "dot", "xls", "xlt", "ppt", "pps", "msg", "pub", "vsd", "docx", "docm", "dotx", "xlsx",
    "xlsm", "xlsb", "xltx", "pptx", "pptm", "vsdx", "odt", "pdf", "rtf", "html",
];

/// Fetches what is not here yet. A package that cannot be had is told and left out.
///
/// # Errors
/// When nothing can be written.
pub(super) fn provide(folder: &Path) -> Result<Documents, Trouble> {
    let tree = folder.join("documents");
    fs::create_dir_all(&tree).map_err(Trouble::file(&tree))?;
    let apt = Apt::new(folder)?;
    let mut are = Vec::new();
    for source in SOURCES {
        let to = tree.join(source.name);
        if !to.exists()
            && let Err(trouble) = apt.fetch(source.name, &to)
        {
            eprintln!("x: documents of {} are left out: {trouble}", source.name);
            continue;
        }
        are.push(format!("{}: {}", apt.packed(source.name), source.holds));
    }
    let mails = tree.join("mails");
    if !mails.exists() {
        fs::create_dir_all(&mails).map_err(Trouble::file(&mails))?;
        succeed(Command::new("python3").args(["-I", "-c", MAILS]).args([&tree, &mails]))?;
    }
    let from = "Debian's sources, and what this machine and ../shared have; mails are those documents, \
        two of them attached to each by python's email";
    Ok(Documents { tree, are: json!({ "from": from, "sources": are }) })
}

/// apt with a list of source packages of its own, so that the machine's is left as it is.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self, Trouble> {
        let folder = folder.join("apt");
        for part in ["parts", "lists/partial", "cache/archives/partial", "fetched"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(Trouble::file(&part))?;
        }
        let list = folder.join("parts/sources.sources");
        fs::write(&list, deb_src()).map_err(Trouble::file(&list))?;
        Ok(Self { folder })
    }

    fn command(&self) -> Command {
        let mut apt = Command::new("apt-get");
        apt.current_dir(self.folder.join("fetched"))
            .arg("-qq")
            .args(["-o", "Dir::Etc::SourceList=/dev/null"]);
        let folders =
            [("Etc::SourceParts", "parts"), ("State::Lists", "lists"), ("Cache", "cache")];
        for (option, part) in folders {
            apt.arg("-o").arg(format!("Dir::{option}={}", self.folder.join(part).display()));
        }
        apt.arg("-o").arg("APT::Sandbox::User=root");
        apt
    }

    fn fetch(&self, name: &str, to: &Path) -> Result<(), Trouble> {
        eprintln!("x: fetching the source of {name} for its documents");
        succeed(self.command().arg("update"))?;
        succeed(self.command().args(["source", "--download-only", "--tar-only", name]))?;
        let packed = self.folder.join("fetched").join(self.packed(name));
        // Beside its place first: what is there is whole.
        let half = to.with_extension("half");
        fs::create_dir_all(&half).map_err(Trouble::file(&half))?;
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--file").arg(&packed).arg("--directory").arg(&half);
        tar.args(["--no-same-owner", "--wildcards", "--ignore-case"]);
        let known = output(Command::new("tar").arg("--list").arg("--file").arg(&packed))?;
        let known = String::from_utf8_lossy(&known).to_lowercase();
        let is_there =
            |ending: &&&str| known.lines().any(|name| name.ends_with(&format!(".{ending}")));
        tar.args(ENDINGS.iter().filter(is_there).map(|ending| format!("*.{ending}")));
        succeed(&mut tar)?;
        fs::rename(&half, to).map_err(Trouble::file(to))
    }

    /// The file with the source of a package, whose name has the version.
    fn packed(&self, name: &str) -> String {
        let names = fs::read_dir(self.folder.join("fetched")).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let start = format!("{name}_");
        let mut names =
            names.filter(|file| file.starts_with(&start) && file.contains(".orig.tar."));
        names.next().unwrap_or_else(|| name.to_owned())
    }
}

/// Debian's sources of the version that this machine has, from where its packages come.
fn deb_src() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.unwrap_or("stable").trim_matches('"');
    format!(
        "Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: {codename}\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
}

/// Sixty mails, each with two documents of at most 64 KB, in the order of their paths.
const MAILS: &str = "
import email.message, email.policy, mimetypes, pathlib, sys
tree, mails = map(pathlib.Path, sys.argv[1:])
files = sorted(p for p in tree.rglob('*') if p.is_file() and p.stat().st_size <= 65536)
files = files[::max(1, len(files) // 120)][:120]
for number in range(len(files) // 2):
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail['From'], mail['To'] = 'Ada <ada@example.org>', 'Ben <ben@example.net>'
    mail['Subject'] = 'Documents %d' % number
    mail['Date'] = 'Mon, 05 Jan 2026 10:%02d:00 +0000' % number
    mail.set_content('Ben,\\n\\nhere are both of them.\\n\\nAda\\n')
    mail.add_alternative('<html><body><p>Ben,</p><p>here are both of them.</p></body></html>', subtype='html')
    for path in files[2 * number:2 * number + 2]:
        kind = mimetypes.guess_type(path.name)[0] or 'application/octet-stream'
        major, minor = kind.split('/')
        mail.add_attachment(path.read_bytes(), maintype=major if major != 'text' else 'application',
                            subtype=minor, filename=path.name)
    (mails / ('%03d.eml' % number)).write_bytes(bytes(mail))
";
