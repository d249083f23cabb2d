//! What stands in a file.

mod archive;
mod browser;
mod code;
mod mail;
mod office;
mod picture;
mod secret;
mod text;

pub(crate) use mail::base64_lines;

use watchglass_leak::keywords::MARKINGS;

use crate::draw::{Draw, Seed};
use crate::identity::Profile;
use crate::mark::{Mark, MarkKind, PHRASE_WORDS, Place};
use crate::plan::{Kind, Planned};
use crate::words::Vocabulary;

/// A file being written.
pub(crate) struct Page<'a> {
    seed: &'a Seed,
    vocabulary: &'a Vocabulary,
    profile: &'a Profile,
    planned: &'a Planned,
    draw: Draw,
    marks: Vec<Mark>,
}

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

    /// The bytes of the file, and the marks in them.
    pub(crate) fn write(mut self) -> (Vec<u8>, Vec<Mark>) {
        let bytes = match self.planned.kind {
            Kind::Text => self.text().into_bytes(),
            Kind::Markdown => self.markdown().into_bytes(),
            Kind::Csv => self.csv().into_bytes(),
            Kind::Docx => self.docx(),
            Kind::Xlsx => self.xlsx(),
            Kind::Odt => self.odt(),
            Kind::Pdf => self.pdf(),
            Kind::Mail => self.message().into_bytes(),
            Kind::Mailbox => self.mailbox().into_bytes(),
            Kind::RustSource => self.rust().into_bytes(),
            Kind::PythonSource => self.python().into_bytes(),
            Kind::CSource => self.c().into_bytes(),
            Kind::SshKey => self.ssh_key().into_bytes(),
            Kind::PemKey => self.pem_key().into_bytes(),
            Kind::Environment => self.environment().into_bytes(),
            Kind::Kubeconfig => self.kubeconfig().into_bytes(),
            Kind::CloudCredentials => self.cloud_credentials().into_bytes(),
            Kind::ShellHistory => self.shell_history().into_bytes(),
            Kind::BrowserPlaces => self.places(),
            Kind::BrowserCookies => self.cookies(),
            Kind::BrowserLogins => self.logins().into_bytes(),
            Kind::Jpeg => self.jpeg(),
            Kind::Png => self.png(),
            Kind::Zip => self.zip(),
            Kind::TarGz => self.tar_gz(),
        };
        (bytes, self.marks)
    }

    /// A new mark for `place`.
    fn mark(&mut self, place: Place) -> String {
        let mark = match self.planned.marks {
            MarkKind::Letters => Mark::of(self.seed, &self.planned.path, place),
            MarkKind::Phrase => Mark { place, kind: MarkKind::Phrase, text: self.phrase() },
        };
        self.marks.push(mark.clone());
        mark.text
    }

    fn word(&mut self) -> String {
        self.vocabulary.word(&mut self.draw).to_owned()
    }

    fn phrase(&mut self) -> String {
        (0..PHRASE_WORDS).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    fn title(&mut self) -> String {
        let words = self.draw.between(2, 5);
        self.vocabulary.title(&mut self.draw, words)
    }

    fn sentence(&mut self) -> String {
        self.vocabulary.sentence(&mut self.draw)
    }

    fn paragraph(&mut self) -> String {
        self.vocabulary.paragraph(&mut self.draw)
    }

    /// A classification marking, on one document of six where the profile asks for them.
    fn marking(&mut self) -> Option<&'static str> {
        let wanted = self.draw.one_in(6);
        let marking = self.draw.pick(MARKINGS);
        (wanted && self.profile.markings).then_some(marking.phrase)
    }

    /// A time in seconds since 1970, some days before 1 January 2025.
    fn time(&mut self) -> u32 {
        1_735_689_600_u32.saturating_sub(self.draw.below(100_000_000))
    }
}
