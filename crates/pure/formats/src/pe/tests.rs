use super::*;

/// The smallest PE32 with these sections: name, in memory (place, size), in the file (place, size).
fn image(sections: &[(u32, u32, u32, u32)], entry: u32, length: usize) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..2].copy_from_slice(b"MZ");
    file[60] = 64;
    file.extend(b"PE\0\0\x4c\x01");
    file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    file.extend([0; 12]);
    file.extend(224_u16.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    let mut optional = [0; 224];
    for (at, number) in [(0, 0x10b), (16, entry), (32, 0x1000), (36, 0x200), (60, 0x400), (92, 16)]
    {
        optional[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
    }
    file.extend(optional);
    for (rva, vsz, raw, rsz) in sections {
        file.extend(b".name\0\0\0");
        for number in [vsz, rva, rsz, raw] {
            file.extend(number.to_le_bytes());
        }
        file.extend([0; 16]);
    }
    file.resize(length, 0);
    file
}

const CODE: (u32, u32, u32, u32) = (0x1000, 0x100, 0x400, 0x200);
const DATA: (u32, u32, u32, u32) = (0x2000, 0x100, 0x600, 0x150);

#[test]
fn sections_are_rounded_and_cut() {
    let file = image(&[CODE, DATA], 0x1010, 0x700);
    let pe = Pe::parse(&file).unwrap();
    assert_eq!((pe.broken.clone(), pe.oddities.clone()), (None, vec![]));
    assert_eq!(pe.entry_point, Some(0x410));
    let [code, data] = &pe.sections[..] else { panic!("{:?}", pe.sections) };
    assert_eq!((code.rva, code.vsz, code.raw, code.rsz), (0x1000, 0x1000, 0x400, 0x200));
    assert_eq!((data.raw, data.rsz, data.ursz), (0x600, 0x100, 0x100));
    assert_eq!(pe.overlay(), 0x700..0x700);
    assert_eq!(Pe::parse(&image(&[CODE], 0, 0x680)).unwrap().overlay(), 0x600..0x680);
}

#[test]
fn what_no_linker_does_is_said() {
    let oddities = |sections: &[_]| Pe::parse(&image(sections, 0, 0x800)).unwrap().oddities;
    assert_eq!(oddities(&[DATA]), [Oddity::GapBehindHeader]);
    assert_eq!(oddities(&[CODE, CODE]), [Oddity::Misplaced { section: 1 }]);
    let between = (0x2800, 1, 0x600, 0x100);
    assert!(oddities(&[CODE, between]).contains(&Oddity::Misaligned { section: 1 }));
    // A section that is not in the file is as if it were not in the table.
    let missing = (0x1800, 1, 0x9000, 0x100);
    assert_eq!(oddities(&[CODE, missing, DATA]), []);
    assert_eq!(oddities(&[missing]), [Oddity::AllSectionsMissing]);
}

#[test]
fn broken_files_keep_what_could_be_read() {
    let unmapped = image(&[CODE, DATA], 0x9000, 0x800);
    let pe = Pe::parse(&unmapped).unwrap();
    assert_eq!(pe.broken, Some(Broken::EntryPoint { rva: 0x9000 }));
    assert_eq!((pe.entry_point, pe.sections.len()), (None, 2));
    let mut cut = image(&[CODE, DATA], 0, 0x800);
    cut.truncate(64 + 24 + 224 + 50);
    let pe = Pe::parse(&cut).unwrap();
    assert!(matches!(pe.broken, Some(Broken::Cut(_))));
    assert_eq!(pe.sections.len(), 1);
    let huge = image(&[(0x8000_0000, 1, 0x400, 0x200)], 0, 0x800);
    assert_eq!(Pe::parse(&huge).unwrap().broken, Some(Broken::SignBit { section: 0 }));
    assert_eq!(Pe::parse(b"MZ").unwrap().sections, []);
    assert_eq!(Pe::parse(b"PK").unwrap_err(), NotPe::NoDosSignature);
    assert!(matches!(Pe::parse(&[b'M', b'Z'].repeat(40)), Err(NotPe::NoPeSignature { .. })));
}

#[test]
fn the_signed_bytes_leave_out_what_a_signature_changes() {
    let mut file = image(&[CODE], 0, 0x610);
    file[64 + 24 + 96 + 32..][..8].copy_from_slice(&[0, 6, 0, 0, 0x10, 0, 0, 0]);
    file[0x600..0x608].copy_from_slice(&[0x10, 0, 0, 0, 0, 2, 2, 0]);
    let found = Pe::parse(&file).unwrap().authenticode().unwrap();
    assert_eq!(found.signed, [0..152, 156..216, 224..0x600]);
    assert_eq!((found.certificate, found.fills_its_table), (Some(0x608..0x610), true));
    file.push(0);
    assert_eq!(Pe::parse(&file).unwrap().authenticode(), Err(AuthenticodeError::NotLast));
    let unsigned = image(&[CODE], 0, 0x600);
    assert_eq!(Pe::parse(&unsigned).unwrap().authenticode().unwrap().certificate, None);
}
