//! What was looked at before in the same file.
//!
//! Containers that read in several ways give the same bytes several times. A second look at them costs
//! as much as the first and tells nothing, but only where *everything* that the engine asks is the same:
//! the bytes, and with them their type; the types of what lies around, which signatures ask for. What a
//! container says of a member (`.cdb`) is asked each time, before this. What had something to tell is
//! passed over only under the same names, which are told with it, and at the same depth, since it may
//! have been a limit. What had nothing to tell was looked at whole, wherever it lies.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use watchglass_database::Algorithm;
use watchglass_unpack::Depth;

use crate::layer::Layer;
use crate::scan::{Flow, Scan};

/// Keys of what was looked at to its end: 32 bytes for each of at most `max_files` members.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeSet<[u8; 32]>);

/// What came of a look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Something was found, suspected or not scanned.
    pub(crate) something: bool,
    /// Something was not told, since a signature says that it, or what lies around it, is good.
    pub(crate) withheld: bool,
}

/// An object with all that the engine asks of it.
#[derive(Clone, Copy, Debug)]
struct Keys {
    /// Whatever its names, at whatever depth.
    content: [u8; 32],
    /// Under these names, at this depth.
    named: [u8; 32],
}

impl Scan<'_, '_> {
    /// Lets `look` look at an object, unless the same was looked at before.
    pub(crate) fn once(
        &mut self,
        layer: &Layer<'_>,
        depth: Depth,
        look: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let keys = Keys::of(layer, depth);
        if self.seen.0.contains(&keys.content) {
            return Flow::Continue(());
        }
        if self.seen.0.contains(&keys.named) {
            // So has what lies around it, under other names.
            self.told.something = true;
            return Flow::Continue(());
        }
        let before = std::mem::take(&mut self.told);
        look(self)?;
        match self.told {
            Told { withheld: true, .. } => {}
            Told { something: true, .. } => self.seen.0.extend([keys.named]),
            Told { .. } => self.seen.0.extend([keys.content]),
        }
        self.told.something |= before.something;
        self.told.withheld |= before.withheld;
        Flow::Continue(())
    }
}

impl Keys {
    fn of(layer: &Layer<'_>, depth: Depth) -> Self {
        let mut hash = Sha256::new();
        hash.update(layer.digest(Algorithm::Sha256).as_bytes());
        hash.update(layer.size().to_le_bytes());
        hash.update(layer.kind.name());
        hash.update([0]);
        for kind in layer.types_around() {
            hash.update(kind.name());
            hash.update([0]);
        }
        let content = hash.clone().finalize().into();
        hash.update(b"named");
        hash.update(depth.layers().to_le_bytes());
        for name in layer.path().0 {
            hash.update(name.len().to_le_bytes());
            hash.update(name);
        }
        Self { content, named: hash.finalize().into() }
    }
}
