//! The specimens, built as ordinary programs and once more with everything inside.

use std::path::{Path, PathBuf};

use crate::place::{Place, output, succeed};
use crate::trouble::Trouble;

/// Whose build the specimens stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What people run.
    Release,
    /// What the tests run.
    Dev,
}

impl Profile {
    /// The folder of this profile below the target folder.
    pub(crate) fn folder(self, target: &Path) -> PathBuf {
        target.join(match self {
            Self::Release => "release",
            Self::Dev => "debug",
        })
    }

    /// How cargo is told.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--release"],
            Self::Dev => &[],
        }
    }
}

/// Builds the specimens with the C library inside, into the folder `static` beside the others.
///
/// # Errors
/// When the build fails or a program cannot be copied.
pub(crate) fn build_static(place: &Place, profile: Profile) -> Result<(), Trouble> {
    let triple = host_triple(place)?;
    let mut cargo = place.cargo(["build", "--quiet", "--package", PACKAGE, "--bins", "--target"]);
    // Named explicitly, the target's flags are not those of build scripts, which stay dynamic.
    cargo.arg(&triple).args(profile.arguments()).arg("--target-dir").arg(place.target());
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    succeed(&mut cargo)?;
    let built = profile.folder(&place.target().join(triple));
    let beside = profile.folder(place.target()).join("static");
    std::fs::create_dir_all(&beside).map_err(Trouble::file(&beside))?;
    for entry in std::fs::read_dir(&built).map_err(Trouble::file(&built))?.flatten() {
        let name = entry.file_name();
        let is_program =
            name.to_str().is_some_and(|name| name.starts_with("specimen-") && !name.contains('.'));
        if is_program {
            let (from, to) = (entry.path(), beside.join(&name));
            std::fs::copy(&from, &to).map_err(Trouble::file(&from))?;
        }
    }
    Ok(())
}

fn host_triple(place: &Place) -> Result<String, Trouble> {
    let told = output(&mut place.cargo(["-vV"]))?;
    let told = String::from_utf8_lossy(&told);
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Trouble::Program {
        program: "cargo -vV".to_owned(),
        says: "no line `host:`".to_owned(),
    })
}

const PACKAGE: &str = "watchglass-specimens";
