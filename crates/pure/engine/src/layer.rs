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
    digests: Digests,
}

impl<'p> Layer<'p> {
    /// The file itself.
    pub(crate) fn outermost(bytes: &'p [u8], kind: FileType) -> Self {
        Self { bytes, kind, name: b"", around: None, digests: Digests::default() }
    }

    /// Something inside of this layer.
    pub(crate) fn inner<'q>(&'q self, name: &'q [u8], bytes: &'q [u8], kind: FileType) -> Layer<'q>
    where
        'p: 'q,
    {
        Layer { bytes, kind, name, around: Some(self), digests: Digests::default() }
    }

    /// The same, taken for another type.
    pub(crate) fn taken_for(&self, kind: FileType) -> Self {
        let Self { bytes, name, around, .. } = *self;
        Self { bytes, kind, name, around, digests: Digests::default() }
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
        let mut types: Vec<FileType> = self.outwards().skip(1).map(|layer| layer.kind).collect();
        types.reverse();
        types
    }

    /// The names from the file inwards.
    pub(crate) fn path(&self) -> MemberPath {
        let inside = self.outwards().filter(|layer| layer.around.is_some());
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
