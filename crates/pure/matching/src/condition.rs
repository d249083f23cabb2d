//! What must hold of an object before a signature is looked for.

use watchglass_database::condition::{Condition, Conditions, Types};
use watchglass_formats::FileType;

use crate::scan::Object;

/// What is left to be asked and to be done once the signature was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Then<'a> {
    /// As what the object is to be looked at again.
    pub(crate) handler: Option<FileType>,
    /// Groups that an icon must be of: dear to find out, so it is asked last.
    pub(crate) icons: Option<[&'a [u8]; 2]>,
    /// A rule is to be run.
    pub(crate) is_rule: bool,
}

/// Whether all conditions hold, and what is left for later.
pub(crate) fn hold<'a>(conditions: Conditions<'a>, object: &Object<'_>) -> Option<Then<'a>> {
    let mut then = Then::default();
    for condition in conditions {
        let holds = match condition {
            Condition::FileSize(min, max) => within(object.file_size, min, max),
            Condition::EntryPoint(min, max) => {
                object.facts.entry_point().is_some_and(|entry| within(entry, min, max))
            }
            Condition::Sections(min, max) => {
                let count =
                    object.facts.section_count().and_then(|count| u64::try_from(count).ok());
                count.is_some_and(|count| within(count, min, max))
            }
            // Of what lies in nothing clamscan 1.4.6 says that it lies in any type, and of nothing else.
            Condition::Container(name) if name == any() => object.container.is_none(),
            Condition::Container(name) => object.container.is_some_and(|of| is(name, of)),
            Condition::Intermediates(types) => lies_in(types, object.intermediates),
            Condition::Handler(name) => {
                let mut all = FileType::ALL.iter().copied();
                then.handler = all.find(|of| of.name().as_bytes() == name);
                then.handler.is_some()
            }
            Condition::Icon(groups) => {
                then.icons = Some(groups);
                true
            }
            Condition::Rule => {
                then.is_rule = true;
                true
            }
        };
        if !holds {
            return None;
        }
    }
    Some(then)
}

fn within(number: u64, min: u32, max: u32) -> bool {
    (u64::from(min)..=u64::from(max)).contains(&number)
}

fn any() -> &'static [u8] {
    FileType::Any.name().as_bytes()
}

/// Whether a name is that of a type, or of any.
fn is(name: &[u8], of: FileType) -> bool {
    name == any() || name == of.name().as_bytes()
}

/// Whether the innermost of what an object lies in are these, from the outside to the inside.
fn lies_in(types: Types<'_>, around: &[FileType]) -> bool {
    let count = types.count();
    let Some(outside) = around.len().checked_sub(count) else {
        return false;
    };
    let innermost = around.get(outside..).unwrap_or_default();
    types.zip(innermost).all(|(name, of)| is(name, *of))
}
