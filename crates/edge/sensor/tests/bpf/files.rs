use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;

use watchglass_events::{FileKind, PathOperation, What};
use watchglass_sensor::bpf::Options;

use crate::race::{MOST_ROUNDS, OPENS, Race};
use crate::support::{World, can_record, is};

#[test]
fn an_open_is_told_by_the_path_the_kernel_reached() {
    if !can_record("an_open_is_told_by_the_path_the_kernel_reached") {
        return;
    }
    let world = World::watch(&Options::default());
    std::fs::create_dir(world.folder.path().join("real")).unwrap();
    std::fs::write(world.path("real/file"), "content").unwrap();
    std::os::unix::fs::symlink("real", world.folder.path().join("link")).unwrap();
    world.run_well("/bin/cat", &["link/../link/file"]);
    let path = world.path("real/file");
    let inode = std::fs::metadata(&path).unwrap().ino();
    let device = std::fs::metadata(&path).unwrap().dev();
    let recorded = world.finish().whole();
    recorded.has("the file", |what| match what {
        What::Opened {
            path: at,
            claimed: Some(claimed),
            file: Some(file),
            access,
            error: None,
        } => {
            is(at, &path)
                && is(claimed, "link/../link/file")
                && (file.inode, file.device, file.kind) == (inode, device, FileKind::Regular)
                && access.read
                && !access.write
        }
        _ => false,
    });
    let file = recorded.opened(&path)[0];
    assert_eq!(recorded.bytes(file), (7, 0));
}

#[test]
fn the_own_folder_in_proc_has_its_lasting_name_and_that_of_others_has_not() {
    let name = "the_own_folder_in_proc_has_its_lasting_name_and_that_of_others_has_not";
    if !can_record(name) {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import os\n\
         open('/proc/self/status'); open(f'/proc/{os.getpid()}/stat')\n\
         open(f'/proc/{os.getppid()}/status')",
    );
    let recorded = world.finish().whole();
    let opened = |path: &str| !recorded.opened(path).is_empty();
    assert!(opened("/proc/self/status") && opened("/proc/self/stat"));
    assert!(opened(&format!("/proc/{}/status", std::process::id())));
}

#[test]
fn a_failed_open_is_told_with_its_error() {
    if !can_record("a_failed_open_is_told_with_its_error") {
        return;
    }
    let world = World::watch(&Options::default());
    world.run("/bin/cat", &["/nowhere/at/all"]);
    let recorded = world.finish().whole();
    recorded.has("ENOENT", |what| {
        matches!(what, What::Opened { path, file: None, error: Some(2), .. } if is(path, "/nowhere/at/all"))
    });
}

#[test]
fn every_way_of_opening_is_told() {
    if !can_record("every_way_of_opening_is_told") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import ctypes, os, struct\n\
         l = ctypes.CDLL(None)\n\
         l.syscall(2, b'one', 0o102, 0o600)\n\
         l.syscall(85, b'two', 0o600)\n\
         how = ctypes.create_string_buffer(struct.pack('QQQ', 0o101, 0o600, 0))\n\
         l.syscall(437, -100, b'three', how, 24)\n\
         os.open('four', os.O_CREAT | os.O_TRUNC | os.O_WRONLY)\n\
         os.mkdir('place'); os.open('place', os.O_PATH)",
    );
    let folder = world.path("");
    let path = |name: &str| format!("{folder}{name}");
    let (one, two, three, four) = (path("one"), path("two"), path("three"), path("four"));
    let place = path("place");
    let recorded = world.finish().whole();
    let access = |at: &str| {
        let found = recorded.whats().find_map(|what| match what {
            What::Opened { path, access, error: None, .. } if is(path, at) => Some(*access),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{at} was not opened"))
    };
    assert!(access(&one).read && access(&one).write && access(&one).create);
    assert!(access(&two).write && access(&two).truncate && !access(&two).read);
    assert!(access(&three).write && access(&three).create && !access(&three).truncate);
    assert!(access(&four).write && access(&four).truncate && access(&four).create);
    assert!(access(&place).path_only && !access(&place).read);
}

#[test]
fn long_and_deep_paths_are_whole_or_marked() {
    if !can_record("long_and_deep_paths_are_whole_or_marked") {
        return;
    }
    let world = World::watch(&Options::default());
    world.python(
        "import os\n\
         for i in range(14):\n\
         \x20   n = chr(97 + i) * 255\n\
         \x20   os.mkdir(n); os.chdir(n)\n\
         open('leaf', 'w')\n\
         os.chdir('/proc/self/cwd')\n\
         for i in range(110):\n\
         \x20   os.mkdir('d'); os.chdir('d')\n\
         open('deep', 'w')",
    );
    let folder = world.path("");
    let recorded = world.finish().whole();
    let long: String =
        (0..14_u8).map(|i| char::from(97 + i).to_string().repeat(255) + "/").collect();
    assert_eq!(recorded.opened(&format!("{folder}{long}leaf")).len(), 1);
    recorded.has("a marked path", |what| match what {
        What::Opened { path, .. } => {
            let path = path.to_string();
            path.starts_with("(cut)/") && path.ends_with("/d/d/deep")
        }
        _ => false,
    });
}

#[test]
fn a_path_outside_of_the_mount_namespace_is_marked() {
    if !can_record("a_path_outside_of_the_mount_namespace_is_marked") {
        return;
    }
    let world = World::watch(&Options::default());
    let script = "mkdir m && exec 3<. && mount -t tmpfs none m && cd m && echo x > inside && \
                  umount -l . && cat inside";
    let output = world.run("/usr/bin/unshare", &["--mount", "/bin/sh", "-c", script]);
    let recorded = world.finish().whole();
    assert!(output.status.success(), "{}", crate::support::text(&output));
    recorded.has(
        "a detached mount",
        |what| matches!(what, What::Opened { path, .. } if is(path, "(unreachable)/inside")),
    );
}

#[test]
fn bytes_are_counted_without_merging_files() {
    if !can_record("bytes_are_counted_without_merging_files") {
        return;
    }
    let world = World::watch(&Options::default());
    for number in 0..400 {
        std::fs::write(world.path(&format!("f{number}")), vec![0; 1000 + number]).unwrap();
    }
    // One descriptor number and one `struct file` used again and again, and several reads of each.
    world.python(
        "import os\n\
         for round in range(3):\n\
         \x20 for n in range(400):\n\
         \x20   f = os.open(f'f{n}', 0)\n\
         \x20   while os.read(f, 300): pass\n\
         \x20   os.close(f)",
    );
    let inodes: HashMap<u64, u64> = (0..400)
        .map(|number| (std::fs::metadata(world.path(&format!("f{number}"))).unwrap().ino(), number))
        .collect();
    let recorded = world.finish().whole();
    let mut read: HashMap<u64, u64> = HashMap::new();
    for what in recorded.whats() {
        if let What::Read { file, bytes, .. } = what
            && let Some(number) = inodes.get(&file.inode)
        {
            *read.entry(*number).or_default() += bytes;
        }
    }
    assert_eq!(read.len(), 400);
    for (number, bytes) in read {
        assert_eq!(bytes, 3 * (1000 + number), "f{number}");
    }
}

#[test]
fn each_image_of_a_process_reads_for_itself() {
    if !can_record("each_image_of_a_process_reads_for_itself") {
        return;
    }
    let world = World::watch(&Options::default());
    std::fs::write(world.path("data"), [0; 5000]).unwrap();
    let first = "import os\n\
        f = os.open('data', 0)\n\
        while os.read(f, 1000): pass\n\
        os.execv('/bin/cat', ['cat', 'data'])";
    world.python(first);
    let data = world.path("data");
    let recorded = world.finish().whole();
    let file = recorded.opened(&data)[0];
    let exec = recorded.whats().position(
        |what| matches!(what, What::Executed { path, .. } if path.to_string().ends_with("/cat")),
    );
    let reads = recorded.whats().enumerate().filter_map(|(at, what)| match what {
        What::Read { file: of, bytes, .. } if *of == file => Some((at, *bytes)),
        _ => None,
    });
    let (before, after): (Vec<_>, Vec<_>) = reads.partition(|(at, _)| *at < exec.unwrap());
    let sum = |reads: &[(usize, u64)]| reads.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert_eq!((sum(&before), sum(&after)), (5000, 5000));
}

#[test]
fn mappings_and_copies_in_the_kernel_are_told() {
    if !can_record("mappings_and_copies_in_the_kernel_are_told") {
        return;
    }
    let world = World::watch(&Options::default());
    std::fs::write(world.path("source"), [7; 9000]).unwrap();
    world.python(
        "import mmap, os\n\
         s = os.open('source', os.O_RDWR)\n\
         mmap.mmap(s, 9000, prot=mmap.PROT_READ)\n\
         mmap.mmap(s, 9000, prot=mmap.PROT_READ | mmap.PROT_WRITE)\n\
         a = os.open('a', os.O_CREAT | os.O_WRONLY)\n\
         b = os.open('b', os.O_CREAT | os.O_WRONLY)\n\
         assert os.sendfile(a, s, 0, 9000) == 9000\n\
         assert os.copy_file_range(s, b, 5000, 0) == 5000\n\
         r, w = os.pipe()\n\
         assert os.splice(s, w, 100, offset_src=0) == 100",
    );
    let (source, a, b) = (world.path("source"), world.path("a"), world.path("b"));
    let recorded = world.finish().whole();
    let file = |path: &str| recorded.opened(path)[0];
    assert_eq!(recorded.bytes(file(&source)), (14_100, 0));
    assert_eq!(recorded.bytes(file(&a)), (0, 9000));
    assert_eq!(recorded.bytes(file(&b)), (0, 5000));
    let map = |wanted: bool| {
        recorded.has("a mapping", |what| match what {
            What::Mapped {
                path: Some(path), bytes: 9000, shared_write, executable: false, ..
            } => is(path, &source) && *shared_write == wanted,
            _ => false,
        });
    };
    map(false);
    map(true);
    recorded.has("libc is run", |what| match what {
        What::Mapped { path: Some(path), executable: true, .. } => {
            path.to_string().ends_with("/libc.so.6")
        }
        _ => false,
    });
}

#[test]
fn changes_of_names_are_told_with_both_paths() {
    if !can_record("changes_of_names_are_told_with_both_paths") {
        return;
    }
    let world = World::watch(&Options::default());
    std::fs::create_dir(world.folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", world.folder.path().join("link")).unwrap();
    world.python(
        "import os\n\
         open('link/a', 'w').write('x')\n\
         os.rename('link/a', 'b')\n\
         d = os.open('real', os.O_DIRECTORY)\n\
         os.link('b', 'c', dst_dir_fd=d)\n\
         os.symlink('/target', 's')\n\
         os.mkdir('m'); os.rmdir('m'); os.mkfifo('p')\n\
         os.truncate('b', 0); os.chmod('b', 0o600); os.chown('b', 0, 0)\n\
         f = os.open('b', os.O_RDWR)\n\
         os.ftruncate(f, 5); os.fchmod(f, 0o644)\n\
         os.unlink('real/c')\n\
         os.setxattr('b', 'user.k', b'v')\n\
         try: os.unlink('gone')\n\
         except OSError: pass",
    );
    let folder = world.path("");
    let recorded = world.finish().whole();
    let seen = |operation: PathOperation, path: &str, other: Option<&str>, failed: bool| {
        let path = format!("{folder}{path}");
        let other = other.map(|other| other.replace('@', &folder));
        recorded.has(&format!("{operation:?} {path} {other:?}"), |what| match what {
            What::PathChanged { operation: found, path: at, other: to, error } => {
                *found == operation
                    && is(at, &path)
                    && to.as_ref().map(ToString::to_string) == other
                    && error.is_some() == failed
            }
            _ => false,
        });
    };
    seen(PathOperation::Rename, "real/a", Some("@b"), false);
    seen(PathOperation::Link, "b", Some("@real/c"), false);
    seen(PathOperation::Symlink, "s", Some("/target"), false);
    seen(PathOperation::MakeDirectory, "m", None, false);
    seen(PathOperation::RemoveDirectory, "m", None, false);
    seen(PathOperation::MakeNode, "p", None, false);
    seen(PathOperation::Truncate, "b", None, false);
    seen(PathOperation::Mode, "b", None, false);
    seen(PathOperation::Owner, "b", None, false);
    seen(PathOperation::Unlink, "real/c", None, false);
    seen(PathOperation::Unlink, "gone", None, true);
    let on_b = |wanted: PathOperation| {
        let found = recorded.whats().filter(|what| match what {
            What::PathChanged { operation, path, .. } => {
                *operation == wanted && is(path, &format!("{folder}b"))
            }
            _ => false,
        });
        found.count()
    };
    assert_eq!((on_b(PathOperation::Truncate), on_b(PathOperation::Mode)), (2, 2));
    assert_eq!(on_b(PathOperation::Attribute), 1);
}

/// A racer swaps what a name leads to, by symbolic link and rename, while another thread opens it.
const RACE: &str = r#"
import os, sys, threading
os.mkdir('d'); open('d/one', 'w').write('1'); open('d/two', 'w').write('2')
stop = False
def swap():
    n = 0
    while not stop:
        n += 1
        os.symlink('d/one' if n % 2 else 'd/two', 'next'); os.rename('next', 'name')
os.symlink('d/one', 'name')
t = threading.Thread(target=swap); t.start()
out = []
for _ in range(int(sys.argv[1])):
    f = os.open('name', 0)
    out.append(os.fstat(f).st_ino)
    os.close(f)
stop = True; t.join()
open('inodes', 'w').write(' '.join(map(str, out)))
"#;

#[test]
fn every_open_under_a_path_race_names_the_object_that_was_opened() {
    if !can_record("every_open_under_a_path_race_names_the_object_that_was_opened") {
        return;
    }
    let world = World::watch(&Options::default());
    world.run_well("/usr/bin/python3", &["-c", RACE, "20000"]);
    let name = |name: &str| (std::fs::metadata(world.path(name)).unwrap().ino(), world.path(name));
    let names: HashMap<u64, String> = [name("d/one"), name("d/two")].into();
    let inodes = std::fs::read_to_string(world.path("inodes")).unwrap();
    let opened: Vec<u64> = inodes.split(' ').map(|inode| inode.parse().unwrap()).collect();
    let recorded = world.finish().whole();
    let told = recorded.whats().filter_map(|what| match what {
        What::Opened { path, claimed: Some(claimed), file: Some(file), .. }
            if is(claimed, "name") =>
        {
            Some((file.inode, path.to_string()))
        }
        _ => None,
    });
    let told: Vec<(u64, String)> = told.collect();
    assert_eq!(told.len(), 20_000);
    let both = opened.iter().collect::<std::collections::HashSet<_>>().len();
    assert_eq!(both, 2, "the racer never won, so that this tests nothing");
    for ((inode, path), opened) in told.iter().zip(&opened) {
        assert_eq!((inode, path), (opened, &names[opened]));
    }
}

#[test]
fn every_open_is_right_where_the_strings_of_callers_are_wrong() {
    let name = "every_open_is_right_where_the_strings_of_callers_are_wrong";
    if !can_record(name) {
        return;
    }
    for _ in 0..MOST_ROUNDS {
        let world = World::watch(&Options::default());
        let folder = world.folder.path().to_owned();
        let Some(race) = Race::lay(&folder) else {
            return crate::support::skip(name, "no C compiler");
        };
        let (program, times) = (race.program.to_str().unwrap(), OPENS.to_string());
        let output = world.run_well(program, &[folder.to_str().unwrap(), &times]);
        let recorded = world.finish().whole();
        let score = race.score(&crate::support::text(&output), recorded.whats());
        assert_eq!((score.right, score.wrong), (OPENS, 0), "{score:?}");
        if score.false_strings > 0 {
            return;
        }
    }
    panic!("the racer never won, so that this tests nothing");
}

#[test]
fn files_of_an_overlay_are_told_by_their_path_in_it() {
    if !can_record("files_of_an_overlay_are_told_by_their_path_in_it") {
        return;
    }
    let world = World::watch(&Options::default());
    // The upper layer stands on a file system of its own, as the lab's may.
    let script = "mkdir lower up && cp /bin/sleep lower/program && mount -t tmpfs none up && \
                  mkdir up/upper up/work && mount -t overlay none /mnt \
                  -o lowerdir=lower,upperdir=up/upper,workdir=up/work && \
                  cd /mnt && ./program 0.2 && echo x > new && cat new";
    let output = world.run("/usr/bin/unshare", &["--mount", "/bin/sh", "-c", script]);
    assert!(output.status.success(), "{}", crate::support::text(&output));
    let recorded = world.finish().whole();
    let digest = watchglass_events::Digest::of(&std::fs::read("/bin/sleep").unwrap());
    recorded.has("the program with its digest", |what| match what {
        What::Executed { path, digest: Some(found), .. } => {
            is(path, "/mnt/program") && *found == digest
        }
        _ => false,
    });
    let new = recorded.opened("/mnt/new");
    assert_eq!(recorded.bytes(new[0]), (2, 2));
}
