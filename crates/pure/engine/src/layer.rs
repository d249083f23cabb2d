//! One object of a scan, with what lies around it.

use watchglass_database::{Algorithm, Database, Digest, HashRole};
use watchglass_formats::FileType;

use crate::digests::Digests;
use crate::report::{MAX_MEMBER_NAME_BYTES, MemberPath};

/// An object that is looked at: the file, a member, or something that stands inside of one.
#[derive(Debug)]
pub(crate) struct Layer<'p> {
    pub(crate) bytes: &'p [u8],
    pub(crate) kind: FileType,
    /// Empty for the file itself.
    name: &'p [u8],
    around: Option<&'p Layer<'p>>,
    standing: Standing,
    digests: Digests,
}

/// How an object lies in what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As something of its own.
    Member,
    /// It is the object around once more, as another type.
    Again,
    /// It is the end of the mail around it, from a header in it on: its parts are parts of that mail.
    Rest,
}

impl<'p> Layer<'p> {
    /// The file itself.
    pub(crate) fn outermost(bytes: &'p [u8], kind: FileType) -> Self {
        let (standing, digests) = (Standing::Member, Digests::default());
        Self { bytes, kind, name: b"", around: None, standing, digests }
    }

    /// Something inside of this layer.
    pub(crate) fn inner<'q>(&'q self, name: &'q [u8], bytes: &'q [u8], kind: FileType) -> Layer<'q>
    where
        'p: 'q,
    {
        let (around, digests) = (Some(self), Digests::default());
        Layer { bytes, kind, name, around, standing: Standing::Member, digests }
    }

    /// The end of a mail, as a mail.
    pub(crate) fn rest<'q>(&'q self, bytes: &'q [u8]) -> Layer<'q>
    where
        'p: 'q,
    {
        Layer { standing: Standing::Rest, ..self.inner(b"", bytes, self.kind) }
    }

    /// The same once more, as a type that a signature tells: it lies in what it was, under the same name.
    pub(crate) fn again<'q>(&'q self, kind: FileType) -> Layer<'q>
    where
        'p: 'q,
    {
        let inner = self.inner(b"", self.bytes, kind);
        Layer { standing: Standing::Again, ..inner }
    }

    /// Whether it is looked at once more.
    pub(crate) fn is_again(&self) -> bool {
        self.standing == Standing::Again
    }

    /// The same, taken for another type.
    pub(crate) fn taken_for(&self, kind: FileType) -> Self {
        let Self { bytes, name, around, standing, .. } = *self;
        Self { bytes, kind, name, around, standing, digests: Digests::default() }
    }

    /// The digest of its bytes.
    pub(crate) fn digest(&self, algorithm: Algorithm) -> Digest {
        self.digests.of(self.bytes, algorithm)
    }

    /// The bytes as a length.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    /// Itself, then what lies around it, outwards.
    pub(crate) fn outwards(&self) -> impl Iterator<Item = &Layer<'p>> {
        std::iter::successors(Some(self), |layer| layer.around)
    }

    /// The types of what lies around it, from the file inwards.
    pub(crate) fn types_around(&self) -> Vec<FileType> {
        let around = self.outwards().skip(1).filter(|layer| layer.standing != Standing::Rest);
        let mut types: Vec<FileType> = around.map(|layer| layer.kind).collect();
        types.reverse();
        types
    }

    /// The names from the file inwards.
    pub(crate) fn path(&self) -> MemberPath {
        let is_named = |layer: &&Layer<'_>| layer.standing == Standing::Member;
        let inside = self.outwards().filter(|layer| layer.around.is_some()).filter(is_named);
        let name = |layer: &Layer<'_>| {
            layer.name.get(..MAX_MEMBER_NAME_BYTES).unwrap_or(layer.name).into()
        };
        let mut names: Vec<Box<[u8]>> = inside.map(name).collect();
        names.reverse();
        MemberPath(names)
    }

    /// Whether a signature says that this is good, or that something around it is: what is inside of
    /// a good file is good.
    pub(crate) fn is_allowed(&self, database: &Database<'_>) -> bool {
        let allowed = database.hashes(HashRole::Allowed);
        let names = |layer: &Layer<'_>, algorithm| {
            let size = layer.size();
            allowed.wants(algorithm, size)
                && allowed.find(&layer.digest(algorithm), size).next().is_some()
        };
        self.outwards().any(|layer| Algorithm::ALL.iter().any(|one| names(layer, *one)))
    }
}
