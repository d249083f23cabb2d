//! `--network real`: when it is refused, and who answers questions about names there.

use std::net::{IpAddr, SocketAddr};

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_claims::{Install, Product};
use watchglass_fakenet::Limits;

use crate::cli::NetworkChoice;

/// A world made of the machine's own root keeps the machine's programs and settings beside a product
/// that may be hostile, so it never meets the real network.
pub(crate) fn allow(network: NetworkChoice, product: &Product) -> Result<()> {
    let is_host = matches!(product.install, Install::Host { .. });
    if network != NetworkChoice::Real || !is_host {
        return Ok(());
    }
    Err(miette!(
        "--network real is refused for a product file with host = true: such a world shows this \
         machine's own files; install the product from Debian packages, or leave --network away"
    ))
}

/// A real server may keep a product waiting for longer than the fake internet ever would.
pub(crate) fn limits(network: NetworkChoice) -> Limits {
    match network {
        NetworkChoice::Real => {
            Limits { idle_seconds: 15 * 60, stream_seconds: 60 * 60, ..Limits::default() }
        }
        NetworkChoice::None | NetworkChoice::Vendor => Limits::default(),
    }
}

/// The machine's own name server.
pub(crate) fn resolver() -> Result<SocketAddr> {
    let path = "/etc/resolv.conf";
    let text = std::fs::read_to_string(path).into_diagnostic().wrap_err(path)?;
    name_server(&text).ok_or_else(|| miette!("--network real: {path} names no server of names"))
}

/// The first server of a resolv.conf(5) that is written as an address.
fn name_server(text: &str) -> Option<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    text.lines().find_map(address).map(|address| SocketAddr::new(address, DNS_PORT))
}

const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_server_answers() {
        let text = "# nameserver 192.0.2.1\nsearch example\nnameserver fe80::1%eth0\n\
                    nameserver 192.0.2.2 # comment\nnameserver 192.0.2.3\n";
        assert_eq!(name_server(text), Some(([192, 0, 2, 2], 53).into()));
        assert_eq!(name_server("search example\n"), None);
    }

    #[test]
    fn the_machines_own_root_never_meets_the_real_network() {
        let file = |install: &str| {
            let text = format!(
                "schema = 1\n[product]\nname = \"T\"\nvendor = \"T\"\njurisdiction = \"CH\"\n\
                 [install]\n{install}\n[[phase]]\nname = \"a\"\ndomain = \"a\"\nrun = [\"a\"]\n\
                 [domain.a]\nprograms = [\"a\"]\n"
            );
            Product::parse(&text).unwrap()
        };
        let (host, debian) = (file("host = true"), file("debian = [\"toy\"]"));
        assert!(allow(NetworkChoice::Real, &host).unwrap_err().to_string().contains("host = true"));
        assert!(allow(NetworkChoice::Real, &debian).is_ok());
        assert!(allow(NetworkChoice::Vendor, &host).is_ok());
    }
}
