//! The arguments of the tag that is being read.

/// Names and values in the order of the page, in one allocation.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    bytes: Vec<u8>,
    /// Where each name ends, and its value; a name begins where the argument before it ended.
    ends: Vec<(usize, Option<usize>)>,
}

impl Arguments {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds one. A value that begins with a quote loses it, and whatever sign it ends with.
    pub(super) fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.bytes.extend_from_slice(c_string(name));
        let name_end = self.bytes.len();
        let value_end = value.map(|value| {
            self.bytes.extend_from_slice(unquoted(c_string(value)));
            self.bytes.len()
        });
        self.ends.push((name_end, value_end));
    }

    /// The value of the first argument of that name, if it has one.
    pub(super) fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name)?.1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, value_end)| {
            let name = self.bytes.get(start..*name_end).unwrap_or_default();
            let value = value_end.and_then(|end| self.bytes.get(*name_end..end));
            start = value_end.unwrap_or(*name_end);
            (name, value)
        })
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., _] => inner,
        [b'"'] => &[],
        bare => bare,
    }
}

/// Up to the first zero byte, which only a reference like `&#0;` can have brought.
pub(super) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts() {
        let mut arguments = Arguments::default();
        arguments.add(b"checked", None);
        arguments.add(b"href", Some(b"\"one\""));
        arguments.add(b"href", Some(b"two"));
        arguments.add(b"q", Some(b"\""));
        arguments.add(b"z", Some(b"a\0b"));
        assert_eq!(arguments.value(b"href"), Some(&b"one"[..]));
        assert_eq!(arguments.value(b"checked"), None);
        assert_eq!(arguments.value(b"q"), Some(&b""[..]));
        assert_eq!(arguments.value(b"z"), Some(&b"a"[..]));
        assert_eq!(arguments.value(b"src"), None);
        assert_eq!(arguments.iter().count(), 5);
    }
}
