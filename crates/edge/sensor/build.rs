//! Compiles the probe with clang. Without clang the crate builds all the same, and says so once.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by variables and starts compilers"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

const PROBE: &str = "../../probe";
/// Where the path of the object is put for `include_bytes_aligned!`.
const OBJECT: &str = "watch.bpf.o";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(watchglass_bpf)");
    println!("cargo::rerun-if-changed={PROBE}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WATCHGLASS_CLANG");
    println!("cargo::rerun-if-env-changed=PATH");
    if target() != ("linux".to_owned(), "x86_64".to_owned()) {
        return without("the probe knows the system calls of x86-64 Linux only");
    }
    match compile() {
        Ok(()) => println!("cargo::rustc-cfg=watchglass_bpf"),
        Err(reason) => without(&reason),
    }
}

fn target() -> (String, String) {
    let of = |name| std::env::var(name).unwrap_or_default();
    (of("CARGO_CFG_TARGET_OS"), of("CARGO_CFG_TARGET_ARCH"))
}

/// `-mcpu=v3` has the atomic operations that give sequence numbers (Linux 5.12); `-g` writes the BTF
/// against which the object is relocated.
fn compile() -> Result<(), String> {
    let object = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join(OBJECT);
    let clang = std::env::var_os("WATCHGLASS_CLANG").unwrap_or_else(|| "clang".into());
    let source = Path::new(PROBE).join("watch.bpf.c");
    let output = Command::new(&clang)
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-c"])
        .arg(source)
        .arg("-o")
        .arg(&object)
        // The object must not depend on where it is built.
        .arg("-fdebug-prefix-map=../../probe=probe")
        .output()
        .map_err(|error| format!("{}: {error}", clang.display()))?;
    if !output.status.success() {
        return Err(format!("clang: {}", String::from_utf8_lossy(&output.stderr)));
    }
    strip(&object);
    Ok(())
}

/// Takes the debug information out, not the BTF. Only makes the binary smaller, so it may fail.
fn strip(object: &Path) {
    let _ = Command::new("llvm-strip").arg("-g").arg(object).status();
}

fn without(reason: &str) {
    let first = reason.lines().next().unwrap_or_default();
    println!(
        "cargo::warning=THE BPF SENSOR (tier T1) IS NOT BUILT: {first}. \
         Only tier T0 (ptrace) will be there; install clang and build again."
    );
}
