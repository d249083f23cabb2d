//! The one table of system packages: what they are for, which chore needs them, how to tell that
//! they are there. Names are Debian's; whether a package is there is told by what it brings, so the
//! table also serves systems that name it otherwise.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{find_program, succeed};
use crate::trouble::Trouble;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in Debian.
    pub(crate) name: &'static str,
    /// How to tell that it is there.
    proof: Proof,
    /// Which chores need it.
    needed: &'static [Need],
    /// What for.
    pub(crate) reason: &'static str,
}

/// What shows that a package is there.
#[derive(Debug)]
enum Proof {
    /// A program.
    Program(&'static str),
    /// Any of these files.
    AnyFile(&'static [&'static str]),
}

/// A chore that needs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Building the apps.
    Build,
    /// Running an assay with everything it can do.
    Assay,
    /// Running the tests without a skip.
    Test,
    /// Measurements against other tools.
    Measure,
    /// Fuzzing.
    Fuzz,
}

/// Every package, in the order in which it is used.
pub(crate) const TABLE: &[Package] = &[
    // `./x` installs these two itself: without them the table cannot be compiled.
    Package {
        name: "gcc",
        proof: Proof::Program("cc"),
        needed: &[Need::Build],
        reason: "links Rust programs",
    },
    Package {
        name: "libc6-dev",
        proof: Proof::AnyFile(&["/usr/include/stdlib.h"]),
        needed: &[Need::Build],
        reason: "what programs link against; `libc.a` for the static specimens",
    },
    Package {
        name: "clang",
        proof: Proof::Program("clang"),
        needed: &[Need::Build, Need::Fuzz],
        reason: "compiles the kernel programs of the sensor; without it there is tier T0 only",
    },
    Package {
        name: "llvm",
        proof: Proof::Program("llvm-strip"),
        needed: &[Need::Build, Need::Test],
        reason: "strips the kernel programs down to code and type information; a second opinion on \
            Mach-O",
    },
    Package {
        name: "libbpf-dev",
        proof: Proof::AnyFile(&["/usr/include/bpf/bpf_helpers.h"]),
        needed: &[Need::Build],
        reason: "headers of the kernel programs",
    },
    Package {
        name: "mmdebstrap",
        proof: Proof::Program("mmdebstrap"),
        needed: &[Need::Assay],
        reason: "makes the subject's root from Debian packages",
    },
    Package {
        name: "debian-archive-keyring",
        proof: Proof::AnyFile(&["/usr/share/keyrings/debian-archive-keyring.gpg"]),
        needed: &[Need::Assay],
        reason: "lets mmdebstrap verify what Debian signed, on systems that are not Debian too",
    },
    Package {
        name: "uidmap",
        proof: Proof::Program("newuidmap"),
        needed: &[Need::Assay],
        reason: "gives an ordinary user the user ids that a Debian root needs",
    },
    Package {
        name: "iproute2",
        proof: Proof::Program("ip"),
        needed: &[Need::Assay],
        reason: "joins the world to its fake internet by one veth",
    },
    Package {
        name: "nftables",
        proof: Proof::Program("nft"),
        needed: &[Need::Assay],
        reason: "redirects every port of every address to the fake internet",
    },
    Package {
        name: "libfaketime",
        proof: Proof::AnyFile(&[
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
            "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
            "/usr/lib64/faketime/libfaketime.so.1",
            "/usr/lib/faketime/libfaketime.so.1",
        ]),
        needed: &[Need::Assay],
        reason: "lets days pass in minutes in the idle phase",
    },
    Package {
        name: "curl",
        proof: Proof::Program("curl"),
        needed: &[Need::Test],
        reason: "a client of the fake internet that nobody here wrote",
    },
    Package {
        name: "clamav-freshclam",
        proof: Proof::Program("freshclam"),
        needed: &[Need::Test],
        reason: "an updater that nobody here wrote, as a client of the fake internet",
    },
    Package {
        name: "openssl",
        proof: Proof::Program("openssl"),
        needed: &[Need::Test],
        reason: "a TLS client whose clear text the sensor must see (OpenSSL)",
    },
    Package {
        name: "gnutls-bin",
        proof: Proof::Program("gnutls-cli"),
        needed: &[Need::Test],
        reason: "a TLS client whose clear text the sensor must see (GnuTLS)",
    },
    Package {
        name: "python3",
        proof: Proof::Program("python3"),
        needed: &[Need::Test, Need::Measure],
        reason: "a subject that reads, writes and sends in ways a shell cannot; counts what a run takes, and \
            writes mails that are to be scanned",
    },
    Package {
        name: "tcpdump",
        proof: Proof::Program("tcpdump"),
        needed: &[Need::Test],
        reason: "a second opinion on the packets that the lab captured",
    },
    Package {
        name: "file",
        proof: Proof::Program("file"),
        needed: &[Need::Test],
        reason: "says of what kind the planted files are",
    },
    Package {
        name: "openssh-client",
        proof: Proof::Program("ssh-keygen"),
        needed: &[Need::Test],
        reason: "reads the planted keys",
    },
    Package {
        name: "time",
        proof: Proof::Program("time"),
        needed: &[Need::Measure],
        reason: "counts processor seconds and memory of a run with its children",
    },
    Package {
        name: "strace",
        proof: Proof::Program("strace"),
        needed: &[Need::Test, Need::Measure],
        reason: "a second opinion on system calls, and the rival in the measurement of cost",
    },
    Package {
        name: "clamav",
        proof: Proof::Program("clamscan"),
        needed: &[Need::Test, Need::Measure],
        reason: "the scanner whose answers ours must equal, and whose CPU time is measured with and \
            without the recording",
    },
    Package {
        name: "clamav-testfiles",
        proof: Proof::AnyFile(&["/usr/share/clamav-testfiles/clam.exe"]),
        needed: &[Need::Test],
        reason: "a harmless program in every container and packer that ClamAV opens",
    },
    Package {
        name: "bzip2",
        proof: Proof::Program("bzip2"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open",
    },
    Package {
        name: "pbzip2",
        proof: Proof::Program("pbzip2"),
        needed: &[Need::Test],
        reason: "joins bzip2 streams that the scanner must open",
    },
    Package {
        name: "xz-utils",
        proof: Proof::Program("xz"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open",
    },
    Package {
        name: "zstd",
        proof: Proof::Program("zstd"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open",
    },
    Package {
        name: "ncompress",
        proof: Proof::Program("compress"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (`.Z`)",
    },
    Package {
        name: "zip",
        proof: Proof::Program("zip"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open",
    },
    Package {
        name: "p7zip-full",
        proof: Proof::Program("7z"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open, with methods that others do not have",
    },
    Package {
        name: "libarchive-tools",
        proof: Proof::Program("bsdtar"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open, in many kinds of tar and cpio",
    },
    Package {
        name: "cpio",
        proof: Proof::Program("cpio"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open",
    },
    Package {
        name: "qpdf",
        proof: Proof::Program("qpdf"),
        needed: &[Need::Test],
        reason: "makes PDFs with object streams and with every kind of encryption",
    },
    Package {
        name: "gcab",
        proof: Proof::Program("gcab"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (cabinets)",
    },
    Package {
        name: "genisoimage",
        proof: Proof::Program("genisoimage"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (images of discs)",
    },
    Package {
        name: "xorriso",
        proof: Proof::Program("xorrisofs"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (images of discs)",
    },
    Package {
        name: "jlha-utils",
        proof: Proof::Program("jlha"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (LHA)",
    },
    Package {
        name: "macutils",
        proof: Proof::Program("binhex"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (BinHex)",
    },
    Package {
        name: "fp-utils",
        proof: Proof::Program("chmcmd"),
        needed: &[Need::Test],
        reason: "packs what the scanner must open (help files)",
    },
    Package {
        name: "chromium",
        proof: Proof::Program("chromium"),
        needed: &[Need::Test],
        reason: "opens the report as a reader would",
    },
    Package {
        name: "nodejs",
        proof: Proof::Program("node"),
        needed: &[Need::Test],
        reason: "drives the browser of the report test",
    },
    Package {
        name: "npm",
        proof: Proof::Program("npm"),
        needed: &[Need::Test],
        reason: "fetches the driver and the accessibility rules of the report test",
    },
    Package {
        name: "g++",
        proof: Proof::Program("c++"),
        needed: &[Need::Fuzz],
        reason: "compiles the fuzzing engine",
    },
];

/// Makes sure of what the needs ask for, and returns what is still missing.
///
/// As root on a system with apt, installs it; otherwise prints the one command that would. Never an
/// end in itself: whoever needs the package says at its place what cannot be done without.
pub(crate) fn provide(needs: &[Need]) -> Vec<&'static Package> {
    let missing = missing(needs);
    if missing.is_empty() {
        return missing;
    }
    if !may_install() {
        eprintln!("x: missing here (`./x doctor` says what each is for); with root this helps:");
        eprintln!("   {}", install_line(&missing));
        return missing;
    }
    if let Err(trouble) = install(&missing) {
        eprintln!("x: {trouble}");
    }
    let still: Vec<_> = missing.into_iter().filter(|package| !package.is_there()).collect();
    if !still.is_empty() {
        eprintln!("x: still missing: {}", names(&still).join(" "));
    }
    still
}

/// What the needs ask for and is not there.
pub(crate) fn missing(needs: &[Need]) -> Vec<&'static Package> {
    let wanted = |package: &&Package| package.needed.iter().any(|need| needs.contains(need));
    TABLE.iter().filter(wanted).filter(|package| !package.is_there()).collect()
}

/// The command that a person with root would type.
pub(crate) fn install_line(packages: &[&Package]) -> String {
    format!("sudo apt-get install --no-install-recommends {}", names(packages).join(" "))
}

impl Package {
    /// Whether what it brings is on this machine.
    pub(crate) fn is_there(&self) -> bool {
        match self.proof {
            Proof::Program(name) => find_program(name).is_some(),
            Proof::AnyFile(files) => files.iter().any(|file| Path::new(file).exists()),
        }
    }
}

fn may_install() -> bool {
    is_root() && find_program("apt-get").is_some()
}

/// Whether the chore runs as root.
pub(crate) fn is_root() -> bool {
    // The owner of our own process's folder is the effective user: no `unsafe`, no further crate.
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0)
}

fn install(packages: &[&Package]) -> Result<(), Trouble> {
    eprintln!("x: installing {}", names(packages).join(" "));
    // An old list is better than none: what is cached may still be had without a network.
    if let Err(trouble) = succeed(apt().arg("update")) {
        eprintln!("x: {trouble}");
    }
    if succeed(install_command().args(names(packages))).is_ok() {
        return Ok(());
    }
    // One unknown name makes apt refuse all of them.
    let failed = |name: &&str| succeed(install_command().arg(name)).is_err();
    let failed: Vec<_> = names(packages).into_iter().filter(failed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Trouble::Program { program: "apt-get install".into(), says: failed.join(" ") })
}

fn install_command() -> Command {
    let mut command = apt();
    command.args(["install", "--yes", "--no-install-recommends"]);
    command
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    command
}

fn names<'a>(packages: &[&'a Package]) -> Vec<&'a str> {
    packages.iter().map(|package| package.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_the_packages_it_cannot_do_without() {
        let script = include_str!("../../x");
        assert!(script.contains("gcc libc6-dev"));
        assert!(TABLE[..2].iter().all(|package| script.contains(package.name)));
    }

    #[test]
    fn every_package_stands_once_with_a_reason_and_a_need() {
        for (index, package) in TABLE.iter().enumerate() {
            assert!(!package.reason.is_empty() && !package.needed.is_empty(), "{}", package.name);
            assert!(TABLE[..index].iter().all(|other| other.name != package.name));
        }
    }

    #[test]
    fn what_is_missing_is_printed_as_one_command() {
        let line = install_line(&[&TABLE[0], &TABLE[1]]);
        assert_eq!(line, "sudo apt-get install --no-install-recommends gcc libc6-dev");
    }

    #[test]
    fn a_package_is_there_when_what_it_brings_is_there() {
        let package = |proof| Package { name: "p", proof, needed: &[Need::Test], reason: "r" };
        assert!(package(Proof::Program("sh")).is_there());
        assert!(package(Proof::AnyFile(&["/nowhere", "/proc/self"])).is_there());
        assert!(!package(Proof::Program("no-such-program")).is_there());
        assert!(!package(Proof::AnyFile(&["/nowhere"])).is_there());
    }
}
