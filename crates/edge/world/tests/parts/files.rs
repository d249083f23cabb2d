//! The layer, and how files differ afterwards.

use std::collections::BTreeMap;

use watchglass_events::{Change, Digest, FileKind, What};
use watchglass_world::{Attributes, World};

use crate::Test;
use crate::setting::{Setting, shell};

pub(crate) const TESTS: &[Test] = &[
    ("the_layer_lies_over_the_root", the_layer_lies_over_the_root),
    ("tells_what_was_added_modified_and_removed", tells_what_was_added_modified_and_removed),
    ("an_untouched_world_does_not_differ", an_untouched_world_does_not_differ),
    ("hostile_files_are_told_and_not_followed", hostile_files_are_told_and_not_followed),
];

type Differences = BTreeMap<String, (Change, FileKind, u32, u32, Option<Digest>, Option<Vec<u8>>)>;

fn differences(world: &World) -> (Differences, Vec<String>) {
    let mut found = Differences::new();
    let comparison = world
        .difference(&mut |what| {
            let What::Differs { path, change, kind, mode, uid, digest, content, .. } = what else {
                return;
            };
            let content = content.map(|content| content.as_bytes().to_vec());
            found.insert(path.to_string(), (change, kind, mode, uid, digest, content));
        })
        .expect("compared");
    assert_eq!(comparison.differences, found.len() as u64);
    (found, comparison.cut)
}

fn the_layer_lies_over_the_root() {
    let mut setting =
        Setting::host().put("/home/anna/notes.txt", "bait", 0o640).put("/var/run/x", "run", 0o644);
    let layer = &mut setting.layer;
    layer.append("/etc/services", b"glass 9999/tcp\n").expect("appended");
    layer.append("/etc/fresh", b"made").expect("appended");
    layer.hide("/etc/profile").expect("hidden");
    layer.hide("/etc/ssl").expect("hidden");
    layer.symlink("/etc/link", "fresh").expect("linked");
    layer.dir("/home/anna", Attributes { mode: 0o700, uid: 1000, gid: 1000 }).expect("a folder");
    let Some(mut world) = setting.world("layer") else { return };
    let text = shell(
        &mut world,
        "stat -c '%n %a %u' /home/anna /home/anna/notes.txt; cat /home/anna/notes.txt /run/x /etc/link; \
         head -c 1 /etc/services | wc -c; tail -n 1 /etc/services; ls -d /etc/profile /etc/ssl 2>/dev/null; stat -c %F /var/run",
    );
    let expected = "/home/anna 700 1000\n/home/anna/notes.txt 640 0\nbaitrunmade1\nglass 9999/tcp\nsymbolic link\n";
    assert_eq!(text, expected);
    assert!(differences(&world).0.is_empty(), "what the lab laid is no difference");
}

fn tells_what_was_added_modified_and_removed() {
    let setting = Setting::host().put("/data/keep", "k", 0o644).put("/data/old/a", "a", 0o644).put(
        "/data/gone",
        "g",
        0o644,
    );
    let setting = setting
        .put("/data/swap/inner", "i", 0o644)
        .put("/data/touched", "same", 0o644)
        .put("/data/mode", "m", 0o644);
    let Some(mut world) = setting.world("difference") else { return };
    shell(
        &mut world,
        "cd /data; echo new > new; chown daemon new; rm gone; rm -r old; printf K > keep; rm -r swap; mkdir swap; echo x > swap/y; \
         touch touched; cat touched > /tmp/t; cat /tmp/t > touched; rm /tmp/t; chmod 600 mode; ln -s keep link; mkdir d; \
         echo w > /usr/bin/written; rm /usr/bin/true; mkdir made; rmdir made",
    );
    let (found, cut) = differences(&world);
    assert!(cut.is_empty(), "{cut:?}");
    let told: Vec<_> =
        found.iter().map(|(path, (change, kind, ..))| (path.as_str(), *change, *kind)).collect();
    use {
        Change::{Added, Modified, Removed},
        FileKind::{Directory, Regular, Symlink},
    };
    assert_eq!(
        told,
        [
            ("/data/d", Added, Directory),
            ("/data/gone", Removed, Regular),
            ("/data/keep", Modified, Regular),
            ("/data/link", Added, Symlink),
            ("/data/mode", Modified, Regular),
            ("/data/new", Added, Regular),
            ("/data/old", Removed, Directory),
            ("/data/swap/inner", Removed, Regular),
            ("/data/swap/y", Added, Regular),
            ("/usr/bin/true", Removed, Regular),
            ("/usr/bin/written", Added, Regular),
        ]
    );
    let (.., uid, digest, content) = &found["/data/new"];
    assert_eq!(
        (*uid, *digest, content.as_deref()),
        (1, Some(Digest::of(b"new\n")), Some(&b"new\n"[..]))
    );
    assert_eq!(found["/data/mode"].2, 0o600);
    assert_eq!(found["/data/link"].5.as_deref(), Some(&b"keep"[..]));
}

fn an_untouched_world_does_not_differ() {
    let Some(mut world) = Setting::host().world("no difference") else { return };
    shell(&mut world, "ls -lR /etc >/dev/null");
    assert_eq!(differences(&world), (Differences::new(), Vec::new()));
}

fn hostile_files_are_told_and_not_followed() {
    let Some(mut world) = Setting::host().world("hostile files") else { return };
    let script = "import os\nos.chdir('/tmp')\nos.mkfifo('fifo')\nos.symlink('/proc/1/mem','link')\n\
                  os.symlink('/','root')\nopen(b'\\xff\\x1b[31m\\n','w').write('n')\n\
                  f=open('sparse','w');f.truncate(1<<42);f.close()\nopen('unreadable','w').write('u');os.chmod('unreadable',0)\n\
                  import socket;socket.socket(socket.AF_UNIX).bind('sock')\n\
                  for i in range(400):\n os.mkdir('d');os.chdir('d')\n";
    let (outcome, text) = crate::setting::run(&mut world, &["python3", "-c", script]);
    assert_eq!(outcome, watchglass_events::Outcome::Exited(0), "{text}");
    let (found, cut) = differences(&world);
    let kind = |path: &str| found.get(path).map(|found| found.1);
    assert_eq!(kind("/tmp/fifo"), Some(FileKind::Pipe));
    assert_eq!(kind("/tmp/sock"), Some(FileKind::Socket));
    assert_eq!(found["/tmp/root"].5.as_deref(), Some(&b"/"[..]));
    assert_eq!(kind("/tmp/\\xff\\x1b[31m\\x0a"), Some(FileKind::Regular));
    assert_eq!(found["/tmp/unreadable"].4, Some(Digest::of(b"u")));
    assert_eq!(found["/tmp/sparse"].4, None, "4 TiB of nothing are not read");
    assert_eq!(cut.len(), 2, "the sparse file and the depth are told: {cut:?}");
}
