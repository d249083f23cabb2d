//! Files made here, taken away while others rename.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use watchglass_dispose::{Destination, DisposeError, Done, Found, OtherNames};

/// A file that is open, with the folder that holds its name.
struct Held {
    file: File,
    folder: File,
    name: CString,
}

impl Held {
    fn of(path: &Path) -> Self {
        let folder = File::open(path.parent().unwrap()).unwrap();
        let name = CString::new(path.file_name().unwrap().as_bytes()).unwrap();
        Self { file: File::open(path).unwrap(), folder, name }
    }

    fn found(&self) -> Found<'_> {
        Found { file: self.file.as_fd(), folder: self.folder.as_fd(), name: &self.name }
    }
}

fn destination(path: &Path) -> Destination {
    Destination::open(path.as_os_str().as_bytes()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn write(path: PathBuf, text: &[u8]) -> PathBuf {
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_file_is_removed_and_its_other_names_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path().join("found"), b"found");
    let held = Held::of(&path);
    std::fs::hard_link(&path, folder.path().join("other")).unwrap();
    assert_eq!(held.found().remove().unwrap(), Done::Removed(OtherNames(1)));
    assert_eq!(names(folder.path()), ["other"]);
    assert!(matches!(held.found().remove(), Err(DisposeError::Changed)));
}

#[test]
fn what_is_not_the_file_any_more_stays() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let path = write(folder.path().join("found"), b"found");
    let held = Held::of(&path);
    let target = write(folder.path().join("target"), b"precious");
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    symlink(&target, &path).unwrap();
    assert!(matches!(held.found().remove(), Err(DisposeError::Changed)));
    assert!(matches!(held.found().move_to(&destination(to.path())), Err(DisposeError::Changed)));
    std::fs::remove_file(&path).unwrap();
    write(path, b"another");
    assert!(matches!(held.found().remove(), Err(DisposeError::Changed)));
    assert_eq!(names(folder.path()), ["elsewhere", "found", "target"]);
    assert_eq!(names(to.path()), [""; 0]);
}

#[test]
fn names_that_are_taken_get_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let destination = destination(to.path());
    let mut moved = Vec::new();
    for text in ["1", "2"] {
        let path = write(folder.path().join("a\n-rf"), text.as_bytes());
        moved.push(Held::of(&path).found().move_to(&destination).unwrap());
    }
    let path = |name: &str| to.path().join(name).as_os_str().as_bytes().to_vec();
    let expected = ["a\n-rf", "a\n-rf.001"].map(|name| Done::Moved(path(name), OtherNames(0)));
    assert_eq!(moved, expected);
    let kept = write(folder.path().join("a\n-rf"), b"3");
    let copied = Held::of(&kept).found().copy_to(&destination).unwrap();
    assert_eq!(copied, Done::Copied(path("a\n-rf.002")));
    assert_eq!(std::fs::read(to.path().join("a\n-rf.002")).unwrap(), b"3");
    assert_eq!(names(folder.path()), ["a\n-rf"]);
    assert_eq!(names(to.path()).len(), 3);
}

#[test]
fn what_is_there_already_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path().join("found"), b"found");
    let held = Held::of(&path);
    let destination = destination(folder.path());
    assert_eq!(held.found().move_to(&destination).unwrap(), Done::AlreadyThere);
    assert_eq!(held.found().copy_to(&destination).unwrap(), Done::AlreadyThere);
    assert_eq!(names(folder.path()), ["found"]);
}

#[test]
fn copies_are_whole_have_holes_and_nobody_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"end", 1 << 40).unwrap();
    let held = Held::of(&path);
    assert!(matches!(held.found().copy_to(&destination(to.path())), Ok(Done::Copied(_))));
    let copy = std::fs::metadata(to.path().join("sparse")).unwrap();
    assert_eq!((copy.size(), copy.mode() & 0o7777), ((1 << 40) + 3, 0o600));
    assert!(copy.blocks() < 1000, "{}", copy.blocks());
    let mut end = [0; 3];
    let copy = File::open(to.path().join("sparse")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&copy, &mut end, 1 << 40).unwrap();
    assert_eq!(&end, b"end");
}

/// Somebody puts a file of his own in the place of the found one as fast as he can. Never is that
/// file removed or moved away; each time, the found one is gone or it was told that it stayed.
#[test]
fn a_racing_renamer_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let destination = destination(to.path());
    let path = folder.path().join("name");
    let (mut gone, mut stayed) = (0, 0);
    for round in 0.. {
        // So long as one of them was always first, nothing was seen.
        if round >= 400 && gone > 0 && stayed > 0 || round == 20_000 {
            break;
        }
        let precious = write(folder.path().join("precious"), b"precious");
        let held = Held::of(&write(path.clone(), b"found"));
        let start = Barrier::new(2);
        let result = std::thread::scope(|scope| {
            let racer = scope.spawn(|| {
                start.wait();
                std::fs::rename(&precious, &path).unwrap();
            });
            start.wait();
            let result = if round % 2 == 0 {
                held.found().remove()
            } else {
                held.found().move_to(&destination)
            };
            racer.join().unwrap();
            result
        });
        match result {
            Ok(_) => gone += 1,
            Err(DisposeError::Changed | DisposeError::LeftAside { .. }) => stayed += 1,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"precious", "round {round}");
        for name in names(to.path()) {
            assert_eq!(std::fs::read(to.path().join(&name)).unwrap(), b"found", "{name}");
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(gone > 0 && stayed > 0, "no race happened: {gone} gone, {stayed} stayed");
}
