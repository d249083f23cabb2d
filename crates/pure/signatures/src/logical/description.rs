//! Which files a logical signature is meant for: its target description block.

use crate::error::LineError;
use crate::field::{Range, number};
use crate::file_kind::FileKind;
use crate::level::admit;
use crate::target::Target;

/// Which files a logical signature is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The kind of files, `Target`.
    pub target: Target,
    /// Sizes in bytes, `FileSize`.
    pub file_size: Option<Range>,
    /// Places of the entry point in the file, in bytes, `EntryPoint`.
    pub entry_point: Option<Range>,
    /// Numbers of sections, `NumberOfSections`.
    pub number_of_sections: Option<Range>,
    /// What the file lies in, `Container`.
    pub container: Option<FileKind>,
    /// What the file lies in, from the outside to the inside, `Intermediates`; 16 at most.
    pub intermediates: Vec<FileKind>,
    /// As what the file is looked at again if the signature matches; it is no finding then.
    pub handler_type: Option<FileKind>,
    /// First group of an icon that the file must have, `IconGroup1`.
    pub icon_group_1: Option<Box<[u8]>>,
    /// Second group of an icon that the file must have, `IconGroup2`.
    pub icon_group_2: Option<Box<[u8]>>,
}

impl Description {
    /// Parses `Key:Value,…`.
    ///
    /// # Errors
    /// [`LineError`]: keys and kinds of files that ClamAV 1.4 does not know, targets from 15 on and
    /// other levels are passed over, the rest is malformed.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, LineError> {
        let mut read = Read::default();
        for (index, attribute) in text.split(|byte| *byte == b',').take(MAX_ATTRIBUTES).enumerate()
        {
            read.attribute(index, attribute)?;
        }
        read.finish(text)
    }
}

/// The attributes read so far.
#[derive(Default)]
struct Read {
    target: Option<Box<[u8]>>,
    engine: Option<Range>,
    /// Whether there is one that engines before level 51 did not know.
    new: bool,
    file_size: Option<Range>,
    entry_point: Option<Range>,
    number_of_sections: Option<Range>,
    container: Option<FileKind>,
    intermediates: Vec<FileKind>,
    handler_type: Option<FileKind>,
    icon_groups: [Option<Box<[u8]>>; 2],
}

impl Read {
    fn attribute(&mut self, index: usize, attribute: &[u8]) -> Result<(), LineError> {
        let colon = attribute.iter().position(|byte| *byte == b':');
        let (key, value) = colon
            .and_then(|at| attribute.split_at_checked(at))
            .ok_or_else(|| malformed(attribute, "a key and a value"))?;
        let value = value.get(1..).unwrap_or_default();
        let [first_icon_group, second_icon_group] = &mut self.icon_groups;
        match key {
            b"Engine" if index == 0 => self.engine = Some(range(value)?),
            b"Engine" => return Err(malformed(attribute, "at the first place")),
            b"Target" => {
                number("Target", value)?;
                self.target = Some(value.into());
            }
            b"FileSize" => self.file_size = Some(range(value)?),
            b"EntryPoint" => self.entry_point = Some(range(value)?),
            b"NumberOfSections" => self.number_of_sections = Some(range(value)?),
            b"Container" => self.container = Some(FileKind::parse(value)?),
            b"HandlerType" => self.handler_type = Some(FileKind::parse(value)?),
            b"Intermediates" => self.intermediates = intermediates(value)?,
            b"IconGroup1" => *first_icon_group = Some(value.into()),
            b"IconGroup2" => *second_icon_group = Some(value.into()),
            _ => return Err(LineError::unknown("TargetDescriptionBlock", key)),
        }
        self.new |= !matches!(key, b"Engine" | b"Target");
        Ok(())
    }

    /// What holds for the attributes together, in ClamAV's order.
    fn finish(self, text: &[u8]) -> Result<Description, LineError> {
        if self.new && self.engine.is_none_or(|engine| engine.min < NEW_ATTRIBUTES_LEVEL) {
            return Err(malformed(text, "for engines from level 51 on, as its keys need"));
        }
        if let Some(Range { min, max }) = self.engine {
            admit(min, max)?;
        }
        let target = self.target.ok_or_else(|| malformed(text, "with a target"))?;
        let target = Target::parse(&target)?;
        let [icon_group_1, icon_group_2] = self.icon_groups;
        if (icon_group_1.is_some() || icon_group_2.is_some()) && target != Target::Pe {
            return Err(malformed(text, "for PE, as icons need"));
        }
        let of_programs = self.entry_point.is_some() || self.number_of_sections.is_some();
        if of_programs && !target.is_program() {
            return Err(malformed(text, "for programs, as entry point and sections need"));
        }
        Ok(Description {
            target,
            file_size: self.file_size,
            entry_point: self.entry_point,
            number_of_sections: self.number_of_sections,
            container: self.container,
            intermediates: self.intermediates,
            handler_type: self.handler_type,
            icon_group_1,
            icon_group_2,
        })
    }
}

fn malformed(found: &[u8], wanted: &'static str) -> LineError {
    LineError::field("TargetDescriptionBlock", found, wanted)
}

fn range(text: &[u8]) -> Result<Range, LineError> {
    let dash = text.iter().position(|byte| *byte == b'-');
    let ends = dash.and_then(|at| text.split_at_checked(at));
    let (min, max) = ends.ok_or_else(|| malformed(text, "a range"))?;
    let max = number("Range", max.get(1..).unwrap_or_default())?;
    Ok(Range { min: number("Range", min)?, max })
}

fn intermediates(text: &[u8]) -> Result<Vec<FileKind>, LineError> {
    text.split(|byte| *byte == b'>').take(MAX_INTERMEDIATES).map(FileKind::parse).collect()
}

/// ClamAV looks at no more (`ATTRIB_TOKENS`).
const MAX_ATTRIBUTES: usize = 10;
/// ClamAV looks at no more (`EXPR_TOKEN_MAX`).
const MAX_INTERMEDIATES: usize = 16;
/// The first level whose engine knows more keys than `Engine` and `Target`.
const NEW_ATTRIBUTES_LEVEL: u32 = 51;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn reads_every_key() {
        let text = b"Engine:81-255,Target:1,FileSize:10-20,EntryPoint:1-2,NumberOfSections:3-4,\
                     Container:CL_TYPE_ZIP,Intermediates:CL_TYPE_ZIP>CL_TYPE_MSOLE2,IconGroup1:A,IconGroup2:B";
        let read = Description::parse(text).unwrap();
        assert_eq!(read.file_size, Some(Range { min: 10, max: 20 }));
        assert_eq!(read.intermediates.len(), 2);
        assert_eq!(read.container.unwrap().name(), "CL_TYPE_ZIP");
        let handler = Description::parse(b"Engine:51-255,Target:0,HandlerType:CL_TYPE_MAIL");
        assert!(handler.unwrap().handler_type.is_some());
    }

    #[test]
    fn tells_unknown_from_malformed() {
        let fault = |text: &str| Description::parse(text.as_bytes()).unwrap_err().fault();
        for text in [
            "Target:15",
            "Engine:217-255,Target:0",
            "Engine:51-215,Target:0",
            "Engine:51-255,Target:0,SectOff:1.2-3",
            "Engine:51-255,Target:0,Container:CL_TYPE_NONE",
        ] {
            assert_eq!(fault(text), Fault::NotForThisEngine, "{text}");
        }
        for text in [
            "",
            "Target",
            "Target:x",
            "Engine:51-255",
            "Target:0,Engine:51-255",
            "Engine:51,Target:0",
            "Target:0,FileSize:1-2",
            "Engine:50-255,Target:0,FileSize:1-2",
            "Engine:51-255,Target:0,IconGroup1:A",
            "Engine:51-255,Target:0,EntryPoint:1-2",
        ] {
            assert_eq!(fault(text), Fault::Malformed, "{text}");
        }
    }
}
