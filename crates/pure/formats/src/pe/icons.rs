//! The icon of a program: the pictures of its first group.

use watchglass_bytes::Reader;

use super::{Pe, Resource};

impl<'a> Pe<'a> {
    /// The pictures of the first group of icons, in all of its languages. Each begins with the header of
    /// its bitmap and goes to the end of the file. At most 100 entries are looked at, ClamAV's
    /// `MaxIconsPE`.
    #[must_use]
    pub fn icons(&self) -> Vec<&'a [u8]> {
        let groups = self.resources(GROUPS, MAX_GROUPS).found;
        let Some(first) = groups.first().map(|group| group.name) else { return Vec::new() };
        let pictures = self.resources(PICTURES, MAX_PICTURES).found;
        let (mut icons, mut entries) = (Vec::new(), 0_usize);
        for group in groups.iter().take_while(|group| group.name == first) {
            for id in self.group(group) {
                let of_id = pictures.iter().filter(|one| one.name == u32::from(id));
                icons.extend(of_id.filter_map(|picture| self.picture(picture)));
                entries = entries.saturating_add(1);
                if entries >= MAX_ICONS {
                    return icons;
                }
            }
        }
        icons
    }

    /// The numbers of the pictures of a group (`GRPICONDIR`).
    fn group(&self, group: &Resource) -> Vec<u16> {
        let Some((_, data)) = self.resource_data(group) else { return Vec::new() };
        let mut reader = Reader::new(data);
        let mut ids = Vec::new();
        let count = reader.take("idReserved, idType", 4).and_then(|_| reader.u16_le("idCount"));
        for _ in 0..count.unwrap_or(0) {
            let id = reader.take("GRPICONDIRENTRY", 12).and_then(|_| reader.u16_le("nID"));
            let Ok(id) = id else { break };
            ids.push(id);
        }
        ids
    }

    fn picture(&self, picture: &Resource) -> Option<&'a [u8]> {
        let mut entry = self.reader_at_rva(picture.entry_rva)?;
        let place = self.raw_offset(entry.u32_le("OffsetToData").ok()?)?;
        self.bytes.get(usize::try_from(place).ok()?..)
    }
}

/// `RT_ICON`, `RT_GROUP_ICON`.
const PICTURES: u32 = 3;
const GROUPS: u32 = 14;
/// Entries of groups that are looked at, as in ClamAV.
const MAX_ICONS: usize = 100;
/// Groups and pictures of a tree that are listed: real programs have some hundred.
const MAX_GROUPS: usize = 1 << 10;
const MAX_PICTURES: usize = 1 << 12;
