//! ISO 9660 images of foreign tools.
#![allow(clippy::disallowed_methods, reason = "tests write what foreign tools pack")]

mod common;

use std::path::Path;

use common::{Cut, payload, run, skip, survives, unpack};
use watchglass_unpack::{ContainerKind, NotScanned};

const ISO: ContainerKind = ContainerKind::Iso9660;
/// Neither 8.3 nor ASCII.
const LONG: &str = "a Long näme, with more than eight.characters";

fn image(program: &str, switches: &[&str], one: &[u8], two: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("below/deeper")).unwrap();
    std::fs::write(tree.join("below/deeper").join(LONG), one).unwrap();
    std::fs::write(tree.join("two.bin"), two).unwrap();
    std::fs::write(tree.join("empty"), b"").unwrap();
    let arguments: Vec<_> = switches.iter().copied().chain(["-o", "out.iso", "tree"]).collect();
    run(folder.path(), program, &arguments)
        .then(|| std::fs::read(Path::new(folder.path()).join("out.iso")).unwrap())
}

#[test]
fn what_others_burn_is_found_whole() {
    let tools: [(&str, &[&str]); 5] = [
        ("genisoimage", &["-quiet", "-J", "-R"]),
        ("genisoimage", &["-quiet", "-J", "-joliet-long"]),
        ("genisoimage", &["-quiet", "-R"]),
        ("genisoimage", &["-quiet", "-l", "-iso-level", "4"]),
        ("xorrisofs", &["-quiet", "-J", "-R"]),
    ];
    for seed in 0..4 {
        for (program, switches) in tools {
            let (one, two) = (payload(seed, 70_000), payload(seed + 90, 900));
            let Some(image) = image(program, switches, &one, &two) else {
                return skip("what_others_burn_is_found_whole", program);
            };
            let unpacked = unpack(ISO, &image);
            assert!(unpacked.is_clean(), "{program} {switches:?}: {unpacked:?}");
            let found: Vec<_> = unpacked.members.iter().filter(|m| !m.content.is_empty()).collect();
            assert_eq!(found.len(), 2, "{program} {switches:?}: each file once");
            assert!(found.iter().any(|member| *member.content == one));
            assert!(found.iter().any(|member| *member.content == two));
            if switches.contains(&"-R") || switches.contains(&"-joliet-long") {
                let name = format!("below/deeper/{LONG}");
                assert!(*unpacked.member(&name).content == one, "{program} {switches:?}");
            }
        }
    }
}

#[test]
fn an_image_that_holds_no_more_than_its_start_says_so() {
    let Some(image) = image("genisoimage", &["-quiet", "-J"], &payload(1, 9_000), b"two") else {
        return skip("an_image_that_holds_no_more_than_its_start_says_so", "genisoimage");
    };
    let unpacked = unpack(ISO, &image[..0x8000 + 2048 * 3]);
    assert!(matches!(unpacked.end.not_scanned[..], [NotScanned::Damaged { .. }, ..]));
}

#[test]
fn hostile_images_are_survived() {
    let Some(image) = image("genisoimage", &["-quiet", "-J", "-R"], &payload(1, 900), b"two")
    else {
        return skip("hostile_images_are_survived", "genisoimage");
    };
    // The system area is zeros; what changes there changes nothing.
    survives(ISO, &image, Cut::MayBeWhole, 1500);
    let mut draw = common::Lcg(9);
    for _ in 0..3000 {
        let mut changed = image.clone();
        for _ in 0..=draw.below(3) {
            let place = 0x8000 + draw.below(20 * 2048);
            changed[place] ^= 1 << draw.below(8);
        }
        unpack(ISO, &changed);
    }
}
