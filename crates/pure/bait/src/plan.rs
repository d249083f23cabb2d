//! Which files there are.

use crate::draw::{Draw, Seed};
use crate::mark::{MarkKind, Place, name_mark};
use crate::words::Vocabulary;

/// A file that will be made when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Path under the home, with slashes.
    pub path: String,
    /// What sort of file it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Days before the start of the run when it was last changed.
    pub modified_days_ago: u32,
    /// Of what its marks are made. A product that skips what looks random still meets the others.
    pub marks: MarkKind,
    /// The marks in its path, with their places.
    pub name_marks: Vec<(Place, String)>,
}

/// What sort of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Text,
    Markdown,
    Csv,
    Docx,
    Xlsx,
    Odt,
    Pdf,
    Mail,
    Mailbox,
    RustSource,
    PythonSource,
    CSource,
    SshKey,
    PemKey,
    Environment,
    Kubeconfig,
    CloudCredentials,
    ShellHistory,
    BrowserPlaces,
    BrowserCookies,
    BrowserLogins,
    Jpeg,
    Png,
    Zip,
    TarGz,
}

/// All files of a home, the standing ones first.
pub(crate) fn plan(seed: &Seed, vocabulary: &Vocabulary, files: u32) -> Vec<Planned> {
    let mut planner = Planner::new(seed, vocabulary);
    let mut plan = planner.standing();
    let standing = u32::try_from(plan.len()).unwrap_or(u32::MAX);
    plan.extend((standing..files).map(|number| planner.grown(number)));
    plan
}

struct Planner<'a> {
    seed: &'a Seed,
    vocabulary: &'a Vocabulary,
    draw: Draw,
    folders: Vec<Folder>,
}

/// A folder with a mark in its name.
#[derive(Clone)]
struct Folder {
    name: String,
    mark: String,
}

/// Folders with a mark under each standing one.
const FOLDERS: u32 = 12;

impl<'a> Planner<'a> {
    fn new(seed: &'a Seed, vocabulary: &'a Vocabulary) -> Self {
        let mut draw = Draw::new(seed, &[b"plan"]);
        let folder = |number| {
            let mark = name_mark(seed, b"folder", number);
            Folder { name: format!("{}-{mark}", vocabulary.word(&mut draw)), mark }
        };
        let folders = (0..FOLDERS).map(folder).collect();
        Self { seed, vocabulary, draw, folders }
    }

    /// What every home has, at the paths where programs look for it.
    fn standing(&mut self) -> Vec<Planned> {
        let profile = format!(".mozilla/firefox/{}.default-release", self.draw.hex(8));
        let mail = format!(".thunderbird/{}.default/Mail/Local Folders", self.draw.hex(8));
        let standing = [
            (".bash_history".to_owned(), Kind::ShellHistory),
            (".ssh/id_ed25519".to_owned(), Kind::SshKey),
            (".ssh/id_backup".to_owned(), Kind::SshKey),
            (".config/deploy.pem".to_owned(), Kind::PemKey),
            (".aws/credentials".to_owned(), Kind::CloudCredentials),
            (".kube/config".to_owned(), Kind::Kubeconfig),
            ("projects/.env".to_owned(), Kind::Environment),
            (format!("{profile}/places.sqlite"), Kind::BrowserPlaces),
            (format!("{profile}/cookies.sqlite"), Kind::BrowserCookies),
            (format!("{profile}/logins.json"), Kind::BrowserLogins),
            (format!("{mail}/Inbox"), Kind::Mailbox),
            (format!("{mail}/Sent"), Kind::Mailbox),
        ];
        let planned = |(path, kind)| self.planned(path, kind, MarkKind::Letters, Vec::new());
        standing.into_iter().map(planned).collect()
    }

    /// One more file, as people collect them.
    fn grown(&mut self, number: u32) -> Planned {
        let &(kind, place, extension) = self.draw.pick(GROWN);
        let spoken = self.draw.one_in(12);
        let folder = self.draw.pick(&self.folders).clone();
        let word = self.vocabulary.word(&mut self.draw).to_owned();
        let mark = name_mark(self.seed, b"file", number);
        if spoken {
            let path = format!("{place}/{word}-{number}{extension}");
            return self.planned(path, kind, MarkKind::Phrase, Vec::new());
        }
        let path = format!("{place}/{}/{word}-{mark}{extension}", folder.name);
        let name_marks = vec![(Place::FolderName, folder.mark), (Place::FileName, mark)];
        self.planned(path, kind, MarkKind::Letters, name_marks)
    }

    fn planned(
        &mut self,
        path: String,
        kind: Kind,
        marks: MarkKind,
        name_marks: Vec<(Place, String)>,
    ) -> Planned {
        let mode = if kind.is_secret() { 0o600 } else { 0o644 };
        // Recent files are common, old ones rare.
        let modified_days_ago = self.draw.between(1, 1500).min(self.draw.between(1, 1500));
        Planned { path, kind, mode, modified_days_ago, marks, name_marks }
    }
}

impl Kind {
    fn is_secret(self) -> bool {
        matches!(
            self,
            Self::SshKey
                | Self::PemKey
                | Self::Environment
                | Self::Kubeconfig
                | Self::CloudCredentials
                | Self::ShellHistory
                | Self::BrowserCookies
                | Self::BrowserLogins
        )
    }
}

/// What grows in a home, how often by how many rows, where, and with which end of its name.
const GROWN: &[(Kind, &str, &str)] = &[
    (Kind::Text, "Documents", ".txt"),
    (Kind::Text, "Documents/notes", ".txt"),
    (Kind::Markdown, "Documents/notes", ".md"),
    (Kind::Csv, "Documents/tables", ".csv"),
    (Kind::Docx, "Documents", ".docx"),
    (Kind::Docx, "Documents/letters", ".docx"),
    (Kind::Docx, "Desktop", ".docx"),
    (Kind::Xlsx, "Documents/tables", ".xlsx"),
    (Kind::Xlsx, "Documents/accounts", ".xlsx"),
    (Kind::Odt, "Documents/drafts", ".odt"),
    (Kind::Pdf, "Documents", ".pdf"),
    (Kind::Pdf, "Downloads", ".pdf"),
    (Kind::Mail, "Maildir/cur", ":2,S"),
    (Kind::Mail, "Maildir/new", ""),
    (Kind::Mail, "Documents/saved mail", ".eml"),
    (Kind::RustSource, "projects", ".rs"),
    (Kind::PythonSource, "projects", ".py"),
    (Kind::CSource, "projects", ".c"),
    (Kind::Jpeg, "Pictures", ".jpg"),
    (Kind::Jpeg, "Pictures/holidays", ".jpg"),
    (Kind::Png, "Pictures/screenshots", ".png"),
    (Kind::Zip, "Documents/archive", ".zip"),
    (Kind::TarGz, "backup", ".tar.gz"),
];
