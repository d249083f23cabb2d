//! Writes compound files, \[MS-CFB\], of both versions, in order or scattered.

use super::Lcg;

/// How sectors follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Straight,
    /// In an order drawn from this seed.
    Scattered(u64),
}

struct Entry {
    name: String,
    kind: u8,
    parent: usize,
    content: Vec<u8>,
    start: u32,
}

const END: u32 = 0xffff_fffe;
const FREE: u32 = 0xffff_ffff;

/// A compound file of version 3 or 4 with these streams; `/` in a path makes storages.
pub fn compound(version: u16, order: Order, streams: &[(&str, &[u8])]) -> Vec<u8> {
    let shift = if version == 3 { 9 } else { 12 };
    let mut entries = entries(streams);
    let mut chains = Chains { size: 1 << shift, sectors: Vec::new(), links: Vec::new() };
    let (mut mini, mut mini_links) = (Vec::new(), Vec::new());
    for entry in entries.iter_mut().filter(|entry| entry.kind == 2) {
        entry.start = match entry.content.len() {
            0 => END,
            1..4096 => small(&entry.content, &mut mini, &mut mini_links),
            _ => chains.add(&entry.content),
        };
    }
    if let Order::Scattered(seed) = order {
        scatter_mini(seed, &mut mini, &mut mini_links, &mut entries);
    }
    entries[0].start = chains.add(&mini);
    entries[0].content = mini;
    let mini_fat = chains.add(&numbers(&mini_links, 1 << shift));
    let directory_at = chains.sectors.len() as u32;
    chains.add(&directory(&entries, 1 << shift));
    finish(version, order, chains, (directory_at, entries), mini_fat, mini_links.len())
}

fn entries(streams: &[(&str, &[u8])]) -> Vec<Entry> {
    let entry = |name: &str, kind, parent| {
        let name = name.to_owned();
        Entry { name, kind, parent, content: Vec::new(), start: 0 }
    };
    let mut entries = vec![entry("Root Entry", 5, usize::MAX)];
    for (path, content) in streams {
        let parts: Vec<_> = path.split('/').collect();
        let (name, storages) = parts.split_last().unwrap();
        let mut parent = 0;
        for part in storages {
            let is_it = |entry: &Entry| entry.parent == parent && entry.name == **part;
            parent = entries.iter().position(is_it).unwrap_or_else(|| {
                entries.push(entry(part, 1, parent));
                entries.len() - 1
            });
        }
        entries.push(Entry { content: content.to_vec(), ..entry(name, 2, parent) });
    }
    entries
}

struct Chains {
    size: usize,
    sectors: Vec<Vec<u8>>,
    links: Vec<u32>,
}

impl Chains {
    fn add(&mut self, content: &[u8]) -> u32 {
        if content.is_empty() {
            return END;
        }
        let first = self.sectors.len() as u32;
        for chunk in content.chunks(self.size) {
            let mut sector = chunk.to_vec();
            sector.resize(self.size, 0);
            self.sectors.push(sector);
            self.links.push(self.sectors.len() as u32);
        }
        *self.links.last_mut().unwrap() = END;
        first
    }
}

fn small(content: &[u8], mini: &mut Vec<u8>, links: &mut Vec<u32>) -> u32 {
    let first = links.len() as u32;
    for chunk in content.chunks(64) {
        mini.extend(chunk);
        mini.resize(mini.len().next_multiple_of(64), 0);
        links.push(links.len() as u32 + 1);
    }
    *links.last_mut().unwrap() = END;
    first
}

fn scatter_mini(seed: u64, mini: &mut [u8], links: &mut [u32], entries: &mut [Entry]) {
    let places = permutation(seed, links.len());
    let (old, old_links) = (mini.to_vec(), links.to_vec());
    for (from, &to) in places.iter().enumerate() {
        mini[to * 64..to * 64 + 64].copy_from_slice(&old[from * 64..from * 64 + 64]);
        let link = old_links[from];
        links[to] = if link == END { END } else { places[link as usize] as u32 };
    }
    let small = |entry: &&mut Entry| entry.kind == 2 && (1..4096).contains(&entry.content.len());
    for entry in entries.iter_mut().filter(small) {
        entry.start = places[entry.start as usize] as u32;
    }
}

fn permutation(seed: u64, count: usize) -> Vec<usize> {
    let mut places: Vec<_> = (0..count).collect();
    let mut draw = Lcg(seed);
    (1..count).rev().for_each(|last| places.swap(last, draw.below(last + 1)));
    places
}

fn numbers(numbers: &[u32], size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(size), 0xff);
    bytes
}

fn directory(entries: &[Entry], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, entry) in entries.iter().enumerate() {
        let mut row = [0_u8; 128];
        let name: Vec<u8> = entry.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        row[..name.len()].copy_from_slice(&name);
        row[64] = name.len() as u8 + 2;
        row[66] = entry.kind;
        // Siblings hang to the right of each other.
        let sibling = |other: &(usize, &Entry)| other.0 > id && other.1.parent == entry.parent;
        let next = entries.iter().enumerate().find(sibling).map_or(FREE, |(id, _)| id as u32);
        let child = |other: &&Entry| other.parent == id;
        let child = entries.iter().position(|other| child(&other)).map_or(FREE, |id| id as u32);
        row[68..72].copy_from_slice(&FREE.to_le_bytes());
        row[72..76].copy_from_slice(&next.to_le_bytes());
        row[76..80].copy_from_slice(&child.to_le_bytes());
        row[116..120].copy_from_slice(&entry.start.to_le_bytes());
        row[120..128].copy_from_slice(&(entry.content.len() as u64).to_le_bytes());
        bytes.extend(row);
    }
    bytes.resize(bytes.len().next_multiple_of(size), 0);
    bytes
}

fn finish(
    version: u16,
    order: Order,
    mut chains: Chains,
    (directory_at, mut entries): (u32, Vec<Entry>),
    mini_fat: u32,
    mini_sectors: usize,
) -> Vec<u8> {
    let size = chains.size;
    let count = chains.sectors.len();
    let (mut fats, mut difats) = (1, 0_usize);
    while fats * (size / 4) < count + fats + difats {
        fats += 1;
        difats = fats.saturating_sub(109).div_ceil(size / 4 - 1);
    }
    let first = fats + difats;
    let places = match order {
        Order::Straight => (0..count).collect(),
        Order::Scattered(seed) => permutation(seed, count),
    };
    let at = |number: u32| {
        if number >= FREE - 5 { number } else { (places[number as usize] + first) as u32 }
    };
    for entry in &mut entries {
        if entry.kind == 5 || entry.content.len() >= 4096 {
            entry.start = at(entry.start);
        }
    }
    for (index, sector) in directory(&entries, size).chunks(size).enumerate() {
        chains.sectors[directory_at as usize + index] = sector.to_vec();
    }
    let mut table = vec![0xffff_fffd; fats];
    table.extend(vec![0xffff_fffc; difats]);
    table.resize(first + count, 0);
    for (number, &link) in chains.links.iter().enumerate() {
        table[places[number] + first] = at(link);
    }
    let mut difat: Vec<u32> = (0..fats as u32).collect();
    difat.resize(109.max(difat.len()), FREE);
    let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    file.extend([0; 16]);
    let shift = size.trailing_zeros() as u16;
    [0x3e, version, 0xfffe, shift, 6, 0, 0, 0]
        .iter()
        .for_each(|word| file.extend(word.to_le_bytes()));
    let first_difat = if difats > 0 { fats as u32 } else { END };
    let minis = mini_sectors.div_ceil(size / 4) as u32;
    for word in
        [0, fats as u32, at(directory_at), 0, 4096, at(mini_fat), minis, first_difat, difats as u32]
    {
        file.extend(word.to_le_bytes());
    }
    difat[..109].iter().for_each(|word| file.extend(word.to_le_bytes()));
    file.resize(size, 0);
    file.extend(numbers(&table, size));
    for (index, part) in difat[109..].chunks(size / 4 - 1).enumerate() {
        let mut sector = part.to_vec();
        sector.resize(size / 4 - 1, FREE);
        let is_last = index + 1 == difats;
        sector.push(if is_last { END } else { (fats + index + 1) as u32 });
        file.extend(numbers(&sector, size));
    }
    let start = file.len();
    file.resize(start + count * size, 0);
    for (number, sector) in chains.sectors.iter().enumerate() {
        let place = start + places[number] * size;
        file[place..place + size].copy_from_slice(sector);
    }
    file
}
