//! Which domain a program belongs to, and what its claims add up to.

use crate::glob::{GlobError, PathClaims, escape_glob};
use crate::product::{Domain, Install, InstalledFile, Product};

impl Product {
    /// The domain of an executed file, by the path that the kernel resolved.
    ///
    /// A base name in `programs` stands for a file of this name in one of [`PROGRAM_FOLDERS`], or
    /// for a file that `[[install.file]]` puts into the world under this name. A program of the
    /// same name elsewhere is another program: whoever can write a file can name it.
    #[must_use]
    pub fn domain_of(&self, path: &[u8]) -> Option<&str> {
        let path = std::str::from_utf8(path).ok()?;
        let named = self.domains.iter().find(|(_, domain)| self.names_program(domain, path));
        named.map(|(name, _)| name.as_str())
    }

    /// What programs of this domain may open for reading: `reads`; what they may write, since they
    /// may read back what they wrote; their own files; what they may run.
    ///
    /// # Errors
    /// [`GlobError`] where placeholders are not filled in yet.
    pub fn read_claims(&self, domain: &Domain) -> Result<PathClaims, GlobError> {
        let own_files = domain.programs.iter().flat_map(|program| self.program_paths(program));
        let own_files = own_files.map(|path| escape_glob(path.as_bytes()));
        let claimed = domain.reads.iter().chain(&domain.writes).chain(&domain.executes).cloned();
        PathClaims::parse(claimed.chain(own_files))
    }

    /// What programs of this domain may run: `programs` and `executes`.
    ///
    /// # Errors
    /// [`GlobError`] where placeholders are not filled in yet.
    pub fn execute_claims(&self, domain: &Domain) -> Result<PathClaims, GlobError> {
        let own_files = domain.programs.iter().flat_map(|program| self.program_paths(program));
        let own_files = own_files.map(|path| escape_glob(path.as_bytes()));
        PathClaims::parse(domain.executes.iter().cloned().chain(own_files))
    }

    /// The domain of a program as a command names it: by base name or path.
    pub(crate) fn domain_of_word(&self, word: &str) -> Option<&str> {
        let named = self.domains.iter().find(|(_, domain)| self.names_word(domain, word));
        named.map(|(name, _)| name.as_str())
    }

    /// Whether a domain has a program as a command names it.
    pub(crate) fn names_word(&self, domain: &Domain, word: &str) -> bool {
        domain.programs.iter().any(|program| program == word) || self.names_program(domain, word)
    }

    fn names_program(&self, domain: &Domain, path: &str) -> bool {
        let matches = |program: &String| self.program_paths(program).any(|known| known == path);
        domain.programs.iter().any(matches)
    }

    /// The paths that an entry of `programs` stands for.
    fn program_paths<'a>(&'a self, program: &'a str) -> impl Iterator<Item = String> + 'a {
        let is_path = program.starts_with('/');
        let absolute = is_path.then(|| program.to_owned());
        let in_folders = PROGRAM_FOLDERS.iter().filter(move |_| !is_path);
        let installed = self
            .installed_files()
            .iter()
            .filter(move |file| !is_path && file.to.rsplit('/').next() == Some(program));
        absolute
            .into_iter()
            .chain(in_folders.map(move |folder| format!("{folder}/{program}")))
            .chain(installed.map(|file| file.to.clone()))
    }

    fn installed_files(&self) -> &[InstalledFile] {
        let (Install::Debian { files, .. } | Install::Host { files }) = &self.install;
        files
    }
}

impl Domain {
    /// What programs of this domain may write, create, rename, remove, or connect to as a Unix
    /// socket: `writes`, sockets of `listens`, and [`SINKS`].
    ///
    /// # Errors
    /// [`GlobError`] where placeholders are not filled in yet.
    pub fn write_claims(&self) -> Result<PathClaims, GlobError> {
        let sockets = self.listens.iter().filter_map(|listen| listen.strip_prefix("unix:/"));
        let sockets = sockets.map(|path| escape_glob(format!("/{path}").as_bytes()));
        let sinks = SINKS.iter().map(|path| (*path).to_owned());
        PathClaims::parse(self.writes.iter().cloned().chain(sockets).chain(sinks))
    }
}

/// `PATH` of every phase, and where a base name in `programs` is looked for.
///
/// Debian's merged `/usr` makes the last two links, so that resolved paths begin with `/usr`; they
/// stand here for roots that are not merged.
pub const PROGRAM_FOLDERS: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Devices that keep nothing of what is written to them (null(4), full(4)): writing there needs no
/// claim.
pub const SINKS: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Product {
        Product::parse(
            r#"
            schema = 1
            product = { name = "Toy", vendor = "Toys", jurisdiction = "CH" }
            install = { host = true, file = [{ from = "{product}/toy-scan", to = "/opt/toy/toy-scan" }] }
            phase = [{ name = "scan", domain = "scanner", run = ["toy-scan"] }]
            [domain.scanner]
            programs = ["toy-scan", "/opt/toy/lib/helper"]
            reads = ["/etc/toy.conf"]
            writes = ["/var/log/toy"]
            listens = ["unix:/run/toy[1]"]
            "#,
        )
        .expect("a product")
    }

    #[test]
    fn a_base_name_means_the_usual_folders_and_installed_files_only() {
        let product = product();
        for path in ["/usr/bin/toy-scan", "/opt/toy/toy-scan", "/opt/toy/lib/helper"] {
            assert_eq!(product.domain_of(path.as_bytes()), Some("scanner"), "{path}");
        }
        for path in ["toy-scan", "/tmp/toy-scan", "/usr/bin/helper", "/usr/bin/x/toy-scan", ""] {
            assert_eq!(product.domain_of(path.as_bytes()), None, "{path}");
        }
        assert_eq!(product.domain_of(b"/usr/bin/toy-\xff"), None);
    }

    #[test]
    fn what_may_be_written_may_be_read_back_but_not_the_other_way() {
        let product = product();
        let domain = product.domains.get("scanner").expect("the domain");
        let reads = product.read_claims(domain).expect("globs");
        for path in ["/etc/toy.conf", "/var/log/toy", "/opt/toy/toy-scan"] {
            assert!(reads.matches(path.as_bytes()), "{path}");
        }
        let writes = domain.write_claims().expect("globs");
        assert!(writes.matches(b"/run/toy[1]") && writes.matches(b"/dev/null"));
        assert!(!writes.matches(b"/etc/toy.conf") && !writes.matches(b"/opt/toy/toy-scan"));
        let executes = product.execute_claims(domain).expect("globs");
        assert!(executes.matches(b"/opt/toy/lib/helper") && !executes.matches(b"/var/log/toy"));
    }
}
