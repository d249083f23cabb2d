//! A process's own folder in `/proc`.
//!
//! The kernel resolves `/proc/self` to a number that differs from run to run and is no number of the
//! record's. So that reading one's own folder can be told from reading another's, it is recorded by
//! its lasting name.

/// `/proc/self/…` for a path in the folder of the process that has `number` there.
pub(crate) fn lasting(path: &[u8], number: u64) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"/proc/")?;
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    let (name, below) = rest.split_at_checked(end)?;
    (name == number.to_string().as_bytes()).then(|| [&b"/proc/self"[..], below].concat())
}

/// Whether a pid namespace is the recorder's own or lies just below it, as a world's does. Numbers
/// of a namespace that the subject made itself are not those of its `/proc`.
pub(crate) fn is_of_world(level: u64) -> bool {
    own_level().is_some_and(|own| level == own || level == own.saturating_add(1))
}

/// How deep the recorder's own pid namespace lies: `NSpid` has a number for each level,
/// proc_pid_status(5).
fn own_level() -> Option<u64> {
    static LEVEL: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *LEVEL.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        numbers(&status, "NSpid:").map(|(level, _)| level)
    })
}

/// The level of the innermost namespace, from 0, and the number in it.
pub(crate) fn numbers(status: &str, field: &str) -> Option<(u64, u64)> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let numbers: Vec<u64> = line.split_whitespace().map_while(|text| text.parse().ok()).collect();
    let level = u64::try_from(numbers.len()).ok()?.checked_sub(1)?;
    Some((level, *numbers.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_folder_gets_the_lasting_name() {
        let lasting = |path: &str| lasting(path.as_bytes(), 12);
        assert_eq!(lasting("/proc/12/status"), Some(b"/proc/self/status".to_vec()));
        assert_eq!(lasting("/proc/12"), Some(b"/proc/self".to_vec()));
        for other in ["/proc/123/status", "/proc/1/status", "/proc/012", "/tmp/proc/12/x", "/proc"]
        {
            assert_eq!(lasting(other), None, "{other}");
        }
    }

    #[test]
    fn the_innermost_number_is_taken() {
        let status = "Name:\tx\nNStgid:\t900\t12\nNSpid:\t901\t13\n";
        assert_eq!(numbers(status, "NStgid:"), Some((1, 12)));
        assert_eq!(numbers("Name:\tx\n", "NStgid:"), None);
    }

    #[test]
    fn a_namespace_of_the_subjects_own_is_not_the_worlds() {
        let own = own_level().unwrap();
        assert!(is_of_world(own) && is_of_world(own + 1) && !is_of_world(own + 2));
    }
}
