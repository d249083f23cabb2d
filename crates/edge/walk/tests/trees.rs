//! Trees made here, with what may be in them.
#![expect(clippy::disallowed_methods, reason = "tests make trees")]

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use watchglass_walk::{All, FollowLinks, HardLinks, Item, Policy, Recursion, Walk};

fn walk(folder: &Path, policy: Policy) -> Vec<String> {
    let path = folder.as_os_str().as_bytes().to_vec();
    let short =
        |path: &[u8]| String::from_utf8_lossy(&path[folder.as_os_str().len()..]).into_owned();
    let tell = |item| match item {
        Item::File(file) => format!("{} {}", short(&file.path), file.size),
        Item::PassedOver { path, why } => format!("{} {why:?}", short(&path)),
        Item::Trouble(trouble) => format!("{} {}", short(&trouble.path), trouble.error.kind()),
    };
    let mut told: Vec<String> = Walk::new(std::iter::once(path), policy, All).map(tell).collect();
    told.sort();
    told
}

fn recursive() -> Policy {
    Policy { recursion: Recursion::Yes, ..Policy::default() }
}

#[test]
fn folders_are_entered_when_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    std::fs::write(folder.path().join("a/b/c"), "123").unwrap();
    std::fs::write(folder.path().join("d"), "").unwrap();
    assert_eq!(walk(folder.path(), Policy::default()), ["/a Folder", "/d 0"]);
    assert_eq!(walk(folder.path(), recursive()), ["/a/b/c 3", "/d 0"]);
    let shallow = Policy { max_depth: 2, ..recursive() };
    assert_eq!(walk(folder.path(), shallow), ["/a/b TooDeep", "/d 0"]);
}

#[test]
fn links_lead_where_the_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    std::fs::write(folder.path().join("file"), "1").unwrap();
    link("file", "to-file");
    link(".", "to-folder");
    link("nowhere", "to-nothing");
    let never = ["/file 1", "/to-file Link", "/to-folder Link", "/to-nothing Link"];
    assert_eq!(walk(folder.path(), recursive()), never);
    let all = Policy {
        file_links: FollowLinks::Always,
        folder_links: FollowLinks::Always,
        ..recursive()
    };
    let followed = ["/file 1", "/to-file 1", "/to-folder Loop", "/to-nothing Link"];
    assert_eq!(walk(folder.path(), all), followed);
}

#[test]
fn a_file_of_two_names_is_an_item_once_when_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "1").unwrap();
    std::fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
    assert_eq!(walk(folder.path(), recursive()), ["/one 1", "/two 1"]);
    let once = Policy { hard_links: HardLinks::Once, ..recursive() };
    let told = walk(folder.path(), once);
    assert_eq!(told.iter().filter(|one| one.ends_with("HardLink")).count(), 1);
}

#[test]
fn what_the_kernel_makes_up_is_not_entered() {
    let told = walk(Path::new("/proc"), recursive());
    assert_eq!(told, [" KernelFilesystem"]);
}

#[test]
fn what_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(walk(&folder.path().join("absent"), recursive()), [" entity not found"]);
}
