//! Where test files come from, and what is said where they are not.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that a test cannot run; a failure under `WATCHGLASS_STRICT=1`.
pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
    assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{name} skipped: {why}");
}

/// The program's output on stdout and stderr together; nothing where it is not installed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The test data beside the project (`README.md` there).
pub(crate) fn shared_data(inside: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    Some(root.join("../shared/data").join(inside)).filter(|path| path.exists())
}

/// ClamAV's own test files, each with its name. They are read here and stored nowhere.
pub(crate) fn clamav_files() -> Vec<(String, Vec<u8>)> {
    let mut files = read_all(Path::new("/usr/share/clamav-testfiles"), usize::MAX);
    if let Some(folder) = shared_data("clamav-unit-tests/input") {
        files.extend(read_all(&folder, usize::MAX).into_iter().map(|(name, bytes)| {
            match name.strip_suffix(".xor") {
                Some(plain) => (plain.to_owned(), unmask(&bytes)),
                None => (name, bytes),
            }
        }));
    }
    files
}

/// The key that `../shared/data/README.md` gives.
fn unmask(bytes: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"bhcftqarohcdiayfohalohkgmoefxrrgfnczssgybajvkzjaahpfrlqsratkhhfv\
        pxytculmwgmtyzujlbjlgrhtwxhzpjazlibbwepffyjyfkjwzyofgpopoueurinp\
        dujkphxwhnaxfkaiwrpzdqsnwughtejr";
    bytes.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// Every file below `folder` with at most `largest` bytes, by path.
pub(crate) fn read_all(folder: &Path, largest: usize) -> Vec<(String, Vec<u8>)> {
    paths(folder).into_iter().filter_map(|path| read(&path, largest)).collect()
}

pub(crate) fn read(path: &Path, largest: usize) -> Option<(String, Vec<u8>)> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size == 0 || usize::try_from(size).ok()? > largest {
        return None;
    }
    Some((path.file_name()?.to_string_lossy().into_owned(), std::fs::read(path).ok()?))
}

/// Every plain file below `folder`, sorted.
pub(crate) fn paths(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Mach-O objects for three processors, where there is a clang.
pub(crate) fn objects(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let source = "int x = 3; const char *s = \"a\"; int main(void) { return x + *s; }\n";
    std::fs::write(folder.join("m.c"), source).unwrap();
    let targets = ["x86_64-apple-macos", "arm64-apple-macos", "i386-apple-macos"];
    let built = targets.into_iter().filter_map(|target| {
        let mut clang = Command::new("clang");
        clang.arg(format!("--target={target}")).args(["-c", "m.c", "-o", target]);
        let status = clang.current_dir(folder).status().ok()?;
        status.success().then(|| read(&folder.join(target), 1 << 20).unwrap())
    });
    built.collect()
}

/// A generator whose numbers are the same on every machine (SplitMix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).unwrap()
    }
}

/// `bytes` at every length up to 2 KiB and 64 more, then `count` times with some bytes changed.
pub(crate) fn broken(bytes: &[u8], seed: u64, count: usize, mut check: impl FnMut(&[u8])) {
    let step = (bytes.len() / 64).max(1);
    for end in (0..bytes.len().min(2048)).chain((0..bytes.len()).step_by(step)) {
        check(&bytes[..end]);
    }
    let mut seeded = Seeded(seed);
    let mut changed = bytes.to_vec();
    for _ in 0..count {
        changed.copy_from_slice(bytes);
        for _ in 0..=seeded.below(8) {
            // Headers are at the start: half of the changes go there.
            let span = if seeded.below(2) == 0 { bytes.len().min(1024) } else { bytes.len() };
            let at = seeded.below(span);
            let value = [0, 0xff, 0x7f, 0x80, 1][seeded.below(5)];
            let random = u8::try_from(seeded.below(256)).unwrap();
            let Some(byte) = changed.get_mut(at) else { continue };
            *byte = if seeded.below(2) == 0 { value } else { random };
        }
        check(&changed);
    }
}
