//! A subject that swaps names and descriptors while it opens: the record names what was opened.
#![allow(
    clippy::disallowed_methods,
    reason = "a test starts its subject, compares with other tools, and reads its own settings"
)]

mod ptrace_subject;
mod race;

use std::path::Path;
use std::process::Command;

use ptrace_subject::{Recording, record, skip};
use race::{MOST_ROUNDS, OPENS, Race};
use watchglass_events::What;
use watchglass_sensor::ptrace::Options;

/// An inode and a path.
type Object = (u64, String);

/// What a subject found by `fstat` of its own descriptor, and what was recorded, in order.
fn compare(recording: &Recording, name: &str) -> (Vec<Object>, Vec<Object>) {
    let told = recording.output.lines().filter_map(|line| {
        let (inode, path) = line.strip_prefix("opened ")?.split_once(' ')?;
        Some((inode.parse().unwrap(), path.to_owned()))
    });
    let recorded = recording.whats().filter_map(|what| match what {
        What::Opened { path, claimed: Some(claimed), file: Some(file), .. }
            if claimed.to_string() == name =>
        {
            Some((file.inode, path.to_string()))
        }
        _ => None,
    });
    (told.collect(), recorded.collect())
}

fn compiled(folder: &Path, source: &str) -> Option<String> {
    let (code, program) = (folder.join("racer.c"), folder.join("racer"));
    std::fs::write(&code, source).unwrap();
    let arguments = ["-O1", "-pthread", "-o"];
    let built = Command::new("cc").args(arguments).arg(&program).arg(&code).status();
    if !built.is_ok_and(|status| status.success()) {
        skip("race", "no C compiler");
        return None;
    }
    Some(program.to_str().unwrap().to_owned())
}

#[test]
fn names_the_object_that_was_opened_while_its_name_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(folder.path()).unwrap();
    for name in ["bait", "decoy"] {
        std::fs::write(place.join(name), name).unwrap();
    }
    let Some(program) = compiled(&place, SWAPS_NAMES) else { return };
    let Some(recording) = record(&[&program, place.to_str().unwrap()], &Options::default(), &[])
    else {
        return;
    };
    assert_eq!(recording.status, "0", "{}", recording.output);
    recording.assert_whole();
    let (told, recorded) = compare(&recording, "name");
    assert!(told.len() >= 5000, "{}", told.len());
    let baits = told.iter().filter(|(_, path)| path.ends_with("/bait")).count();
    assert!(baits > 100 && told.len() - baits > 100, "{baits} of {}", told.len());
    assert_eq!(told, recorded);
}

#[test]
fn every_open_is_right_where_the_strings_of_callers_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(folder.path()).unwrap();
    let Some(race) = Race::lay(&place) else { return skip("race", "no C compiler") };
    let (program, times) = (race.program.to_str().unwrap(), OPENS.to_string());
    let command = [program, place.to_str().unwrap(), &times];
    for _ in 0..MOST_ROUNDS {
        let Some(recording) = record(&command, &Options::default(), &[]) else { return };
        assert_eq!(recording.status, "0", "{}", recording.output);
        recording.assert_whole();
        let score = race.score(&recording.output, recording.whats());
        assert_eq!((score.right, score.wrong), (OPENS, 0), "{score:?}");
        if score.false_strings > 0 {
            return;
        }
    }
    panic!("the racer never won, so that this tests nothing");
}

#[test]
fn names_the_object_that_was_opened_while_its_string_and_descriptor_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(folder.path()).unwrap();
    for name in ["bait", "decoy"] {
        std::fs::write(place.join(name), name).unwrap();
    }
    let Some(program) = compiled(&place, REPLACES_DESCRIPTORS) else { return };
    let Some(recording) = record(&[&program, place.to_str().unwrap()], &Options::default(), &[])
    else {
        return;
    };
    assert_eq!(recording.status, "0", "{}", recording.output);
    let opens = recording.whats().filter_map(|what| match what {
        What::Opened { path, access, file, .. } if access.truncate => Some((path, file)),
        _ => None,
    });
    let opens: Vec<_> = opens.collect();
    assert!(opens.len() >= 5000, "{}", opens.len());
    let (named, unnamed): (Vec<_>, Vec<_>) = opens.iter().partition(|(_, file)| file.is_some());
    let bait = ptrace_subject::name(&place.join("bait"));
    let false_names = named.iter().filter(|(path, _)| **path != bait).count();
    assert_eq!(false_names, 0, "of {}", named.len());
    // A descriptor that another thread closes at once cannot be looked at: that is said.
    assert!(unnamed.len() * 20 < opens.len(), "{} of {}", unnamed.len(), opens.len());
    let said = recording.whats().find_map(|what| match what {
        What::Noted { text } => text.split_once(" records lack a file")?.0.parse().ok(),
        _ => None,
    });
    assert_eq!(said.unwrap_or(0), unnamed.len());
}

/// One thread swaps a symbolic link between two files, the other opens it and says which it got.
const SWAPS_NAMES: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile int ended;
static void *swap(void *unused) {
    while (!ended) syscall(SYS_renameat2, AT_FDCWD, "name", AT_FDCWD, "other", 2);
    return unused;
}
int main(int count, char **arguments) {
    if (count < 2 || chdir(arguments[1])) return 1;
    if (symlink("bait", "name") || symlink("decoy", "other")) return 2;
    pthread_t thread;
    pthread_create(&thread, 0, swap, 0);
    static char text[8000000];
    size_t used = 0;
    for (int i = 0; i < 6000; i++) {
        int fd = open("name", O_RDONLY);
        if (fd < 0) return 3;
        struct stat found;
        fstat(fd, &found);
        char first;
        if (pread(fd, &first, 1, 0) != 1) return 4;
        used += sprintf(text + used, "opened %lu %s/%s\n", found.st_ino, arguments[1],
                        first == 'b' ? "bait" : "decoy");
        close(fd);
    }
    ended = 1;
    pthread_join(thread, 0);
    fwrite(text, 1, used, stdout);
    return 0;
}
"#;

/// One thread opens bait, always; two put a decoy under the descriptor's number as soon as they can
/// see it, one by dup2, one by close and fcntl; the string is overwritten as well.
const REPLACES_DESCRIPTORS: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static volatile int ended, decoy, expected;
static char *volatile string;
static void *replace(void *unused) {
    while (!ended) {
        int fd = expected;
        if (fd && fcntl(fd, F_GETFD) >= 0) {
            if (unused) dup2(decoy, fd);
            else { close(fd); fcntl(decoy, F_DUPFD, fd); }
            memcpy(string, "decoy", 6);
        }
    }
    return unused;
}
int main(int count, char **arguments) {
    if (count < 2 || chdir(arguments[1])) return 1;
    decoy = open("decoy", O_RDONLY);
    static char name[16] = "bait";
    string = name;
    pthread_t first, second;
    pthread_create(&first, 0, replace, 0);
    pthread_create(&second, 0, replace, (void *)1);
    for (int i = 0; i < 6000; i++) {
        strcpy(name, "bait");
        expected = decoy + 1;
        int fd = open("bait", O_RDONLY | O_TRUNC);
        if (fd < 0) return 3;
        expected = 0;
        close(fd);
    }
    ended = 1;
    pthread_join(first, 0);
    pthread_join(second, 0);
    return 0;
}
"#;
