//! What the world says it is.

use crate::Test;
use crate::setting::{Setting, run, run_as, shell};

pub(crate) const TESTS: &[Test] = &[
    ("identity_is_the_worlds_own", identity_is_the_worlds_own),
    ("users_are_the_worlds_own", users_are_the_worlds_own),
    ("a_user_that_does_not_exist_is_named", a_user_that_does_not_exist_is_named),
    ("devices_are_few", devices_are_few),
];

fn identity_is_the_worlds_own() {
    let Some(mut world) = Setting::host().world("identity") else { return };
    let text = shell(
        &mut world,
        "hostname; cat /etc/hostname /etc/machine-id /var/lib/dbus/machine-id /proc/sys/kernel/random/boot_id /proc/cmdline; \
         cut -d: -f3 /proc/self/cgroup | sort -u; cat /proc/self/uid_map | tr -s ' '",
    );
    let machine = "0123456789abcdef0123456789abcdef\n".repeat(2);
    let expected = format!(
        "glass\nglass\n{machine}11111111-2222-4333-8444-555555555555\n\
         BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet\n/\n 0 "
    );
    assert!(text.starts_with(&expected), "{text}");
    let host = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("read");
    assert!(!shell(&mut world, "cat /proc/sys/kernel/random/boot_id").contains(host.trim()));
}

fn users_are_the_worlds_own() {
    let Some(mut world) = Setting::host().world("users") else { return };
    assert_eq!(
        shell(&mut world, "stat -c '%u %g' / /usr /etc/passwd /dev /tmp"),
        "0 0\n".repeat(5)
    );
    let (_, text) = run_as(
        &mut world,
        "daemon",
        &["sh", "-c", "id -u; touch /tmp/f; stat -c %u /tmp/f; touch /usr/f 2>&1"],
    );
    assert!(text.starts_with("1\n1\n") && text.contains("Permission denied"), "{text}");
    assert_eq!(
        shell(&mut world, "touch /usr/f && stat -c %u /usr/f"),
        "0\n",
        "root writes everywhere"
    );
    let outside =
        world.open(std::path::Path::new("/usr/f")).expect("opened").metadata().expect("found");
    assert!(
        std::os::unix::fs::MetadataExt::uid(&outside) >= 1_900_000_000,
        "nobody's on the machine"
    );
    assert!(!std::path::Path::new("/usr/f").exists());
}

fn a_user_that_does_not_exist_is_named() {
    let Some(mut world) = Setting::host().world("unknown user") else { return };
    let (mut spawn, _) = crate::setting::spawn(&["true"]);
    spawn.user = watchglass_world::User::Named("nosuch".to_owned());
    let error = world.park(&spawn).expect_err("refused").to_string();
    assert!(error.contains("nosuch"), "{error}");
    spawn.user = watchglass_world::User::Named("root".to_owned());
    spawn.folder = "/nowhere".into();
    let error = world.park(&spawn).expect_err("refused").to_string();
    assert!(error.contains("/nowhere") && error.contains("No such file"), "{error}");
}

fn devices_are_few() {
    let Some(mut world) = Setting::host().world("devices") else { return };
    let text = shell(
        &mut world,
        "readlink /proc/self/fd/0; stat -c %a /; ls /dev | tr '\\n' ' '; echo x >/dev/null && head -c3 /dev/zero | wc -c; head -c1 /dev/zero 2>&1 >/dev/full | grep -c space",
    );
    assert_eq!(
        text,
        "/dev/null\n755\nfd full null ptmx pts random shm stderr stdin stdout tty urandom zero 3\n1\n"
    );
    let terminal = "import os;m,s=os.openpty();print(os.ttyname(s))";
    assert_eq!(run(&mut world, &["python3", "-c", terminal]).1, "/dev/pts/0\n");
    let refused = shell(
        &mut world,
        "chmod 777 /dev/null; rm /dev/zero; echo shm > /dev/shm/f && cat /dev/shm/f",
    );
    assert!(
        refused.contains("Operation not permitted")
            && refused.contains("busy")
            && refused.ends_with("shm\n"),
        "{refused}"
    );
}
