//! Whatever bytes come in, something comes out: truncated and changed files of every kind.
#![expect(clippy::disallowed_methods, reason = "tests read files")]
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod common;

use watchglass_formats::Magic;
use watchglass_formats::elf::Elf;
use watchglass_formats::macho::{MachO, Universal};
use watchglass_formats::pe::Pe;

/// Changed copies of each input.
const CHANGES: usize = 8;
/// Inputs of more bytes cost time and reach nothing that smaller ones do not.
const LARGEST: usize = 4 << 10;

#[test]
fn broken_files_have_a_type() {
    let files = common::clamav_files();
    if files.is_empty() {
        return common::skip("broken_files_have_a_type", "no test files of ClamAV are here");
    }
    let magic = Magic::standard();
    let mut checked = 0;
    for (seed, (_, bytes)) in (0_u64..).zip(&files).filter(|(_, file)| file.1.len() <= LARGEST) {
        common::broken(bytes, seed, CHANGES, |bytes| {
            let kind = magic.identify(bytes);
            let refined = magic.refine(bytes, kind, 16);
            assert!(refined.places.iter().all(|place| place.offset < bytes.len()));
            checked += 1;
        });
    }
    assert!(checked > 5000, "{checked}");
}

#[test]
fn broken_programs_have_facts_within_their_bytes() {
    let mut files = common::clamav_files();
    files.retain(|(_, bytes)| bytes.starts_with(b"MZ") && bytes.len() <= 64 << 10);
    if files.is_empty() {
        let why = "no test files of ClamAV are here";
        return common::skip("broken_programs_have_facts_within_their_bytes", why);
    }
    let (mut checked, mut whole) = (0, 0);
    for (seed, (_, bytes)) in (0_u64..).zip(&files) {
        common::broken(bytes, seed, 4000 / files.len(), |bytes| {
            checked += 1;
            let Ok(pe) = Pe::parse(bytes) else { return };
            whole += usize::from(pe.broken.is_none());
            for section in &pe.sections {
                assert!(section.rsz == 0 || section.raw_range().end <= bytes.len());
            }
            assert!(pe.overlay().end == bytes.len());
            let _ = (pe.exports(), pe.is_dotnet(), pe.is_broken_executable());
            let (mut length, mut pieces) = (0, 0);
            let imports = pe.imports(&mut |piece: &[u8]| {
                length += piece.len();
                pieces += 1;
            });
            if let Ok(imports) = imports {
                assert_eq!(imports.length as usize, length);
                assert!(imports.functions >= pieces);
            }
            for string in pe.version_info().strings {
                assert!(string.offset == string.key.start && string.key.end == string.value.start);
                assert!(string.value.end <= bytes.len());
            }
            if let Ok(found) = pe.authenticode() {
                assert!(found.signed.is_sorted_by_key(|range| range.start));
                assert!(
                    found.signed.iter().chain(&found.certificate).all(|r| r.end <= bytes.len())
                );
            }
        });
    }
    assert!(checked > 5000 && whole > 500, "{whole} of {checked}");
}

/// ELF of this machine; as Mach-O the headers of a program that is written here.
#[test]
fn broken_elf_and_macho_have_facts() {
    let Some((_, elf)) = common::read(std::path::Path::new("/bin/true"), 1 << 20) else {
        return common::skip("broken_elf_and_macho_have_facts", "/bin/true is not here");
    };
    let mut whole = 0;
    common::broken(&elf, 1, 2000, |bytes| {
        whole += usize::from(Elf::parse(bytes).is_ok_and(|elf| elf.broken.is_empty()));
    });
    assert!(whole > 100, "{whole}");
    let mut words = vec![0xfeed_face, 18, 0, 2, 2, 0, 0, 1, 124];
    words.extend([0, 0, 0, 0, 0x1000, 0x100, 0x200, 0x100, 7, 5, 1, 0]);
    words.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x1000, 0x0e, 0x200, 3, 0, 0, 0, 0, 0]);
    words.extend([5, 176, 1, 40, 0x1008]);
    words.resize(words.len() + 39, 0);
    let macho: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    let mut whole = 0;
    common::broken(&macho, 2, 2000, |bytes| {
        whole += usize::from(MachO::parse(bytes).is_ok_and(|macho| macho.broken.is_none()));
    });
    assert!(whole > 100, "{whole}");
    let words = [0xcafe_babe, 2, 7, 3, 64, 16, 4, 18, 0, 72, 999, 4_u32];
    let universal: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    common::broken(&universal, 3, 2000, |bytes| {
        let Ok(found) = Universal::parse(bytes) else { return };
        assert!(found.architectures.iter().all(|one| one.range.end <= bytes.len()));
        assert!(found.architectures.iter().all(|one| one.range.start <= one.range.end));
    });
}
