//! What must not work inside does not.

use std::fmt::Write as _;

use watchglass_claims::Privileges;
use watchglass_events::Outcome;
use watchglass_world::{Answer, RULES, When};

use crate::Test;
use crate::setting::{Setting, run, run_as, shell};

pub(crate) const TESTS: &[Test] = &[
    ("every_call_of_the_table_is_refused", every_call_of_the_table_is_refused),
    ("a_product_file_opens_what_it_names", a_product_file_opens_what_it_names),
    ("capabilities_are_few_and_count_inside_only", capabilities_are_few_and_count_inside_only),
    ("the_network_is_not_the_subjects", the_network_is_not_the_subjects),
    ("the_first_process_is_out_of_reach", the_first_process_is_out_of_reach),
    ("the_machines_files_are_out_of_reach", the_machines_files_are_out_of_reach),
    ("settings_of_the_kernel_are_read_only", settings_of_the_kernel_are_read_only),
    ("setuid_programs_work_within_the_world", setuid_programs_work_within_the_world),
    ("threads_and_processes_start_without_clone3", threads_and_processes_start_without_clone3),
];

/// A perl script that makes a call of every rule and prints its name and error number.
fn calls() -> String {
    let mut script = String::from(
        "sub t { my $n = shift; my $c = shift; $! = 0; syscall($c, @_); print $n, ' ', $!+0, \"\\n\"; }\n",
    );
    for rule in RULES {
        let mut arguments = [0_u32; 6];
        match rule.when {
            When::AnyBit(argument, bits) => arguments[argument as usize] = bits,
            When::FamilyUnknown => arguments[0] = 40,
            When::Always | When::UnlessIoUring => {}
        }
        let list: Vec<_> = arguments.iter().map(u32::to_string).collect();
        let _ = writeln!(script, "t('{}', {}, {});", rule.call, rule.number, list.join(", "));
    }
    script
}

fn every_call_of_the_table_is_refused() {
    let Some(mut world) = Setting::host().world("refused calls") else { return };
    let (outcome, text) = run(&mut world, &["perl", "-e", &calls()]);
    assert_eq!(outcome, Outcome::Exited(0), "{text}");
    let seen: Vec<_> = text.lines().collect();
    let expected: Vec<_> = RULES
        .iter()
        .map(|rule| format!("{} {}", rule.call, if rule.answer == Answer::Absent { 38 } else { 1 }))
        .collect();
    assert_eq!(seen, expected);
    let families = "for my $f (1,2,10,16,17,38,40,44) { print socket(S,$f,2,0)?1:0 }";
    assert_eq!(run(&mut world, &["perl", "-e", families]).1, "11110000");
    let foreign = "$!=0; syscall(0x40000000 + 39); print $!+0";
    assert_eq!(run(&mut world, &["perl", "-e", foreign]).1, "1", "x32");
}

fn a_product_file_opens_what_it_names() {
    let mut setting = Setting::host();
    setting.privileges = Privileges {
        capabilities: vec!["CAP_SYS_PTRACE".to_owned()],
        families: vec!["AF_VSOCK".to_owned()],
        io_uring: true,
    };
    let Some(mut world) = setting.world("privileges") else { return };
    // 425: io_uring_setup. An entry of 0 is invalid, which the kernel says only to who may ask.
    let script = "$!=0; syscall(425,0,0); print $!+0, ' '; $!=0; socket(S,40,1,0); print $!+0";
    let text = run(&mut world, &["perl", "-e", script]).1;
    assert!(!text.starts_with("1 ") && !text.ends_with(" 1"), "{text}");
    // 19: CAP_SYS_PTRACE.
    let bounding = shell(&mut world, "grep CapBnd /proc/self/status | cut -f2");
    let bounding = u64::from_str_radix(bounding.trim(), 16).expect("a number");
    assert_eq!(bounding & (1 << 19), 1 << 19);
}

fn capabilities_are_few_and_count_inside_only() {
    let Some(mut world) = Setting::host().world("capabilities") else { return };
    let sets = shell(
        &mut world,
        "grep -E 'Cap(Prm|Eff|Bnd|Amb|Inh)' /proc/self/status | cut -f2 | tr '\\n' ' '",
    );
    let few = "00000000000405fb";
    assert_eq!(sets, format!("0000000000000000 {few} {few} {few} 0000000000000000 "));
    let (_, nobody) = run_as(
        &mut world,
        "nobody",
        &["sh", "-c", "id -u; grep CapPrm /proc/self/status | cut -f2"],
    );
    assert_eq!(nobody, "65534\n0000000000000000\n");
    let refused = shell(
        &mut world,
        "hostname x; date -s 2001-01-01 >/dev/null; mknod /tmp/d c 1 1; chroot / mount -t tmpfs x /mnt; \
         swapon /tmp/d; dmesg; unshare -U true; unshare -n true; nice -n -5 true; kill -9 1; echo end",
    );
    for part in
        ["hostname", "cannot set date", "mknod", "mount", "swapon", "dmesg", "unshare", "end"]
    {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    assert_eq!(shell(&mut world, "hostname"), "glass\n");
}

fn the_network_is_not_the_subjects() {
    let Some(mut world) = Setting::host().world("network") else { return };
    let text = shell(
        &mut world,
        "ip link set lo down; ip link add dd0 type dummy; ip addr add 10.0.0.1/8 dev lo; ip -br link",
    );
    assert_eq!(text.matches("Operation not permitted").count(), 3, "{text}");
    assert!(text.ends_with("<LOOPBACK,UP,LOWER_UP> \n"), "{text}");
    let raw = "$!=0; socket(S,2,3,1); print $!+0";
    assert_eq!(
        run(&mut world, &["perl", "-e", raw]).1,
        "1",
        "raw sockets need the network's owner"
    );
}

fn the_first_process_is_out_of_reach() {
    let Some(mut world) = Setting::host().world("first process") else { return };
    let text = shell(
        &mut world,
        "kill -9 1; for f in environ maps mem fd root exe cwd ns/net; do ls -l /proc/1/$f/ 2>&1; cat /proc/1/$f 2>&1; done; \
         grep -E '^(Name|Uid)' /proc/1/status; ls /proc | grep -E '^[0-9]+$' | wc -l",
    );
    assert!(text.matches("Permission denied").count() >= 6, "{text}");
    assert!(text.contains("Name:\tinit\nUid:\t65534\t65534\t65534\t65534\n"), "{text}");
    // 101: ptrace, 16: PTRACE_ATTACH; 434 and 438: pidfd_open, pidfd_getfd.
    let reach = "$!=0; syscall(101,16,1,0,0); print $!+0, ' '; \
                 my $p=syscall(434,1,0); $!=0; syscall(438,$p,0,0); print $!+0";
    assert_eq!(run(&mut world, &["perl", "-e", reach]).1, "1 1");
    assert_eq!(run(&mut world, &["true"]).0, Outcome::Exited(0), "the world goes on");
}

fn the_machines_files_are_out_of_reach() {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    std::fs::write(folder.path().join("secret"), "x").expect("written");
    let Some(mut world) = Setting::host().world("machine's files") else { return };
    let text = shell(
        &mut world,
        "ls -A /home /root /srv /media /mnt /opt /var/tmp /tmp /run /boot /usr/local /usr/src /sys | grep -v :$ | grep -v ^$; \
         ls -A /etc | grep -E '^(shadow|gshadow|ssh|fstab|sudoers|apt)$'; ls /proc/1/root/ /proc/self/root/../etc/shadow; ls -A /",
    );
    let expected = "lock\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("secret") && !text.contains("fstab\n"), "{text}");
    // The usual way out of a chroot; here the root is the mount namespace's own.
    let escape = "mkdir '/tmp/j'; chroot '/tmp/j'; chdir '..' for 1..64; chroot '.'; opendir D,'.'; print join ',', sort readdir D";
    let names = run(&mut world, &["perl", "-e", escape]).1;
    assert!(names.contains("proc") && !names.contains("work"), "{names}");
}

fn settings_of_the_kernel_are_read_only() {
    let Some(mut world) = Setting::host().world("settings") else { return };
    for file in ["core_pattern", "hostname", "../vm/drop_caches", "../net/ipv4/ip_forward"] {
        let text = shell(&mut world, &format!("(echo 1 > /proc/sys/kernel/{file}) 2>&1"));
        assert!(text.contains("Read-only"), "{file}: {text}");
    }
    for file in [
        "kcore",
        "keys",
        "kallsyms",
        "partitions",
        "modules",
        "interrupts",
        "kmsg",
        "sysrq-trigger",
    ] {
        if std::path::Path::new("/proc").join(file).exists() {
            assert_eq!(shell(&mut world, &format!("wc -c < /proc/{file}")), "0\n", "{file}");
        }
    }
    let text = shell(
        &mut world,
        "ls -A /proc/bus /proc/fs /proc/irq | grep -v :$ | wc -w; touch /sys/x 2>&1",
    );
    assert!(text.starts_with("0\n") && text.contains("Read-only"), "{text}");
}

fn setuid_programs_work_within_the_world() {
    let Some(mut world) = Setting::host().world("setuid") else { return };
    shell(&mut world, "cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id");
    let (_, text) = run_as(&mut world, "nobody", &["/tmp/id"]);
    assert!(text.contains("uid=65534(nobody)") && text.contains("euid=0(root)"), "{text}");
}

fn threads_and_processes_start_without_clone3() {
    let Some(mut world) = Setting::host().world("threads") else { return };
    let script = "import threading,subprocess\nt=threading.Thread(target=lambda:print('thread',flush=True));t.start();t.join()\n\
                  print(subprocess.run(['echo','process'],capture_output=True).stdout.decode(),end='')";
    assert_eq!(run(&mut world, &["python3", "-c", script]).1, "thread\nprocess\n");
}
