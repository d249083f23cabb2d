//! Bombs, made here: each is ended by the budget with its reason, in bounded memory.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read files and start programs")]

mod common;

use common::{filter, run, skip};
use watchglass_unpack::{Budget, Container, ContainerKind, Depth, Limit, Limits, Next, NotScanned};

/// What a whole descent met.
#[derive(Debug, Default)]
struct Met {
    members: u64,
    bytes: u64,
    reasons: Vec<NotScanned>,
    /// Most bytes of content held at one time, the containers around included.
    most_held: usize,
}

/// Opens everything that is inside, as an engine does.
fn descend(bytes: &[u8], depth: Depth, budget: &Budget<'_>, held: usize, met: &mut Met) {
    let Some(kind) = kind(bytes) else { return };
    let mut container = Container::open(kind, bytes, depth, budget);
    let inside = container.depth_inside();
    loop {
        match container.next_member() {
            Next::Member(member) => {
                met.members += 1;
                met.bytes += member.content.len() as u64;
                let held = held + member.content.len();
                met.most_held = met.most_held.max(held);
                met.reasons.extend(member.not_scanned.clone());
                descend(&member.content, inside.unwrap(), budget, held, met);
            }
            Next::End(end) => return met.reasons.extend(end.not_scanned),
        }
    }
}

fn kind(bytes: &[u8]) -> Option<ContainerKind> {
    let kinds: [(&[u8], ContainerKind); 5] = [
        (b"PK\x03\x04", ContainerKind::Zip),
        (b"\x1f\x8b", ContainerKind::Gzip),
        (b"BZh", ContainerKind::Bzip2),
        (b"\xfd7zXZ", ContainerKind::Xz),
        (b"\x28\xb5\x2f\xfd", ContainerKind::Zstd),
    ];
    kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind)
}

fn explode(bytes: &[u8], limits: Limits) -> Met {
    let budget = Budget::new(limits, bytes.len(), &|| false);
    let mut met = Met::default();
    descend(bytes, budget.outermost(), &budget, 0, &mut met);
    assert!(budget.unpacked() <= limits.max_scan_size);
    assert!(met.bytes == budget.unpacked() && met.members <= limits.max_files);
    met
}

fn has(met: &Met, which: Limit) -> bool {
    met.reasons
        .iter()
        .any(|reason| matches!(reason, NotScanned::Limit { which: own, .. } if *own == which))
}

#[test]
fn one_layer_ends_at_the_size_of_a_member_or_the_ratio() {
    // 300 MB of zeros, packed through a pipe.
    let makers = [
        ("gzip -9", Limit::FileSize),
        ("bzip2 -9", Limit::Ratio),
        ("xz -1", Limit::Ratio),
        ("zstd -3", Limit::Ratio),
    ];
    for (packer, which) in makers {
        let command = format!("head -c 300000000 /dev/zero | {packer}");
        let Some(packed) = filter("sh", &["-c", &command], b"") else {
            return skip("one_layer_ends_at_the_size_of_a_member_or_the_ratio", "sh");
        };
        let met = explode(&packed, Limits::CLAMAV);
        assert!(has(&met, which), "{packer}: {:?}", met.reasons);
        assert!(met.most_held as u64 <= Limits::CLAMAV.max_file_size, "{packer}");
    }
    // The process never held more than two members and the decoders' windows. Output grows by
    // doubling, so a member of 100 MiB may take 200 MiB while it is made.
    let peak = peak_kib();
    assert!(peak < 450 << 10, "{peak} KiB");
}

#[test]
fn nests_are_not_multiplied() {
    let folder = tempfile::tempdir().unwrap();
    // As 42.zip: sixteen of the layer below in each of five layers, 2^20 files of 4 MB at the bottom.
    let script = "head -c 4000000 /dev/zero > 0; for layer in 1 2 3 4 5; do \
        zip -q -9 below.zip $((layer - 1)); \
        for copy in a b c d e f g h i j k l m n o p; do cp below.zip $copy.zip; done; \
        zip -q -9 $layer [a-p].zip; mv $layer.zip $layer; rm *.zip; done";
    if !run(folder.path(), "bash", &["-c", script]) {
        return skip("nests_are_not_multiplied", "bash");
    }
    let packed = std::fs::read(folder.path().join("5")).unwrap();
    let met = explode(&packed, Limits::CLAMAV);
    assert!(has(&met, Limit::Ratio) || has(&met, Limit::ScanSize), "{:?}", met.reasons.last());
    assert!(met.bytes < 400 << 20 && met.members < 10_000);
    assert!(met.most_held < 32 << 20, "{}", met.most_held);
}

#[test]
fn a_file_that_contains_itself_ends_by_depth() {
    // A quine without writing one: each layer holds the next, more often than one may go down.
    let mut packed = b"the innermost".to_vec();
    for _ in 0..40 {
        packed = filter("gzip", &["-n"], &packed).unwrap();
    }
    let met = explode(&packed, Limits::CLAMAV);
    assert_eq!(met.members, 16);
    assert_eq!(met.reasons, [NotScanned::Limit { which: Limit::Recursion, limit: 17 }]);
}

#[test]
fn many_members_end_by_their_number() {
    let python = "import zipfile,sys\nf=zipfile.ZipFile(sys.stdout.buffer,'w')\nfor n in range(12000): f.writestr(str(n),b'')\nf.close()";
    let Some(packed) = filter("python3", &["-c", python], b"") else {
        return skip("many_members_end_by_their_number", "python3");
    };
    let met = explode(&packed, Limits::CLAMAV);
    assert_eq!((met.members, has(&met, Limit::Files)), (10_000, true));
}

#[test]
fn members_that_overlap_are_read_twice_at_most() {
    // As Fifield's: every local header lies inside of the stream before, quoted by a stored block.
    let kernel = filter("gzip", &["-n", "-9"], &vec![b'a'; 1 << 20]).unwrap();
    let kernel = &kernel[10..kernel.len() - 8];
    let (mut body, mut offsets) = (kernel.to_vec(), Vec::new());
    let count = 200_u32;
    for number in 0..count {
        let quoted = if number == 0 { Vec::new() } else { quote(30) };
        let size = (body.len() + quoted.len()) as u32;
        let header =
            [b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0", &size.to_le_bytes()[..], &[0; 8]]
                .concat();
        body = [&header, &quoted[..], &body].concat();
        offsets.push(body.len());
    }
    let (total, start) = (body.len(), body.len() as u32);
    for back in offsets.iter().rev() {
        let offset = total - back;
        let size = u32::from_le_bytes(body[offset + 18..offset + 22].try_into().unwrap());
        body.extend(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0");
        body.extend(size.to_le_bytes());
        body.extend([0; 18]);
        body.extend((offset as u32).to_le_bytes());
    }
    let size = body.len() as u32 - start;
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend([(count as u16).to_le_bytes(), (count as u16).to_le_bytes()].concat());
    body.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    body.extend([0, 0]);
    let met = explode(&body, Limits::CLAMAV);
    let overlapping = |reason: &&NotScanned| matches!(reason, NotScanned::Overlapping { .. });
    let refused = met.reasons.iter().filter(overlapping).count();
    assert!(refused > 150, "{refused} of {count} refused");
    assert!(met.bytes < 40 << 20, "{} bytes", met.bytes);
}

/// A stored block of deflate, not the last, that quotes what follows.
fn quote(length: u16) -> Vec<u8> {
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat()
}

#[test]
fn the_caller_can_end_it() {
    let packed = filter("sh", &["-c", "head -c 90000000 /dev/zero | gzip -9"], b"").unwrap();
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let budget = Budget::new(Limits::CLAMAV, packed.len(), &stop);
    let mut met = Met::default();
    descend(&packed, budget.outermost(), &budget, 0, &mut met);
    assert!(has(&met, Limit::Stopped) && met.bytes < 8 << 20, "{} bytes", met.bytes);
}

/// Most memory that this process had, KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
