//! Names of parts: the only paths that a bundle may hold.

use thiserror::Error;

/// Most parts in a bundle; a campaign of ten runs has about fifty.
pub const MAX_PARTS: usize = 4096;
/// Largest bundle in bytes. It is read into memory, where its events take about five times as much.
pub const MAX_TOTAL_BYTES: u64 = 1 << 30;

const MAX_SEGMENTS: usize = 4;
const MAX_SEGMENT_BYTES: usize = 128;

/// A path inside a bundle that cannot lead out of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName(String);

/// What is wrong with a part's name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("part name {shown}: {reason}")]
pub struct PartNameError {
    /// The name, safe to print.
    pub shown: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl PartName {
    /// Accepts one to four segments of `[A-Za-z0-9._-]` that do not begin with a dot.
    ///
    /// # Errors
    /// [`PartNameError`] with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PartNameError> {
        let wrong = |reason| {
            let shown = watchglass_events::Name::from(text).to_string();
            Err(PartNameError { shown, reason })
        };
        let segments: Vec<&str> = text.split('/').collect();
        if segments.len() > MAX_SEGMENTS {
            return wrong("more than 4 folders deep");
        }
        for segment in segments {
            if segment.is_empty() || segment.len() > MAX_SEGMENT_BYTES {
                return wrong("a segment has 1 to 128 bytes");
            }
            if segment.starts_with('.') {
                return wrong("a segment does not begin with a dot");
            }
            if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
                return wrong("only letters, digits, dot, underscore and hyphen");
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PartName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for PartName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PartName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_way_out_of_the_folder() {
        for text in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "a\\b",
            "a\0b",
            "a/b/c/d/e",
            ".git/config",
            "runs/A1/ö",
            "a\nb",
        ] {
            assert!(PartName::parse(text).is_err(), "{text:?}");
        }
        assert!(PartName::parse("runs/A1/packets.pcapng").is_ok());
    }
}
