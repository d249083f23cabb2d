//! The wall around every misdeed: it happens in the lab's world, to documentation addresses, or not
//! at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use thiserror::Error;

use crate::configuration::Configuration;

/// The file by which a world says that it is the lab's. It holds the token of the parameters, and
/// the lab puts it there; no product file does.
pub const WORLD_MARK_PATH: &str = "/etc/watchglass-world";

/// Proof that this process runs in the lab's world. Only [`Lab::enter`] gives one, and every misdeed
/// needs one.
#[derive(Clone, Debug)]
pub struct Lab {
    configuration: Configuration,
}

/// A host with the address that was found for it. Misdeeds get theirs from [`Lab::find`], so that
/// the address that was checked is the address that is reached; the honest half of the product
/// resolves like any other.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The name it was found by.
    pub host: String,
    /// The address.
    pub address: SocketAddr,
}

/// Why a misdeed does not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The mark of the world is missing.
    #[error("refused: this is not the lab's world ({WORLD_MARK_PATH} cannot be read)")]
    NoMark(#[source] std::io::Error),
    /// The mark is that of another world, or the token is no token.
    #[error("refused: the token does not match {WORLD_MARK_PATH}")]
    OtherWorld,
    /// The machine has routes that the lab's world has not, or lacks the lab's.
    #[error("refused: the routes are not those of the lab's link, 10.77.0.0/24")]
    OtherNetwork,
    /// A name leads to an address that somebody could have.
    #[error("refused: {host} does not resolve to a documentation address")]
    RealAddress {
        /// The name.
        host: String,
    },
}

impl Lab {
    /// Makes sure that this is the lab's world.
    ///
    /// # Errors
    /// The [`Refusal`] says what is different here.
    pub fn enter(configuration: &Configuration) -> Result<Self, Refusal> {
        let mark = std::fs::read_to_string(WORLD_MARK_PATH).map_err(Refusal::NoMark)?;
        let token = configuration.parameters.token.as_str();
        if token.len() < MIN_TOKEN_CHARACTERS || mark.trim() != token {
            return Err(Refusal::OtherWorld);
        }
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        if !is_lab_network(&routes) {
            return Err(Refusal::OtherNetwork);
        }
        Ok(Self { configuration: configuration.clone() })
    }

    /// What the programs go by.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Resolves a name, and gives the address only if nobody can have it.
    ///
    /// # Errors
    /// [`Refusal::RealAddress`], also where the name is not known.
    pub fn find(&self, host: &str, port: u16) -> Result<Endpoint, Refusal> {
        let found = (host, port).to_socket_addrs().into_iter().flatten();
        let mut addresses = found.filter(SocketAddr::is_ipv4).peekable();
        let refusal = || Refusal::RealAddress { host: host.to_owned() };
        let first = *addresses.peek().ok_or_else(refusal)?;
        if !addresses.all(|address| is_documentation(address.ip())) {
            return Err(refusal());
        }
        Ok(Endpoint { host: host.to_owned(), address: first })
    }

    /// The collector, where what was taken goes.
    ///
    /// # Errors
    /// As [`Lab::find`].
    pub fn collector(&self) -> Result<Endpoint, Refusal> {
        let parameters = &self.configuration.parameters;
        self.find(&parameters.collector_host(), parameters.port)
    }

    /// The update server, on its ordinary port.
    ///
    /// # Errors
    /// As [`Lab::find`].
    pub fn update_server(&self) -> Result<Endpoint, Refusal> {
        self.find(&self.configuration.parameters.update_host(), 80)
    }
}

/// A token that was left out must not match a mark that is empty.
const MIN_TOKEN_CHARACTERS: usize = 32;

/// Whether `/proc/net/route` (proc_net(5)) has the lab's link, and nothing on any other one.
/// Addresses stand there as hexadecimal numbers of this machine's byte order.
fn is_lab_network(routes: &str) -> bool {
    let rows: Vec<Route<'_>> = routes.lines().skip(1).filter_map(Route::parse).collect();
    let Some(link) = rows.iter().find(|row| row.is_lab()) else { return false };
    rows.iter().all(|row| row.interface == link.interface)
}

struct Route<'a> {
    interface: &'a str,
    network: Ipv4Addr,
    mask: Ipv4Addr,
}

impl<'a> Route<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let &[interface, network, _, _, _, _, _, mask, ..] = columns.as_slice() else {
            return None;
        };
        Some(Self { interface, network: parse_address(network)?, mask: parse_address(mask)? })
    }

    fn is_lab(&self) -> bool {
        self.network == Ipv4Addr::new(10, 77, 0, 0) && self.mask == Ipv4Addr::new(255, 255, 255, 0)
    }
}

fn parse_address(text: &str) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(u32::from_str_radix(text, 16).ok()?.to_ne_bytes()))
}

fn is_documentation(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _])
        }
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_labs_link_alone_is_the_labs_network() {
        let default = "eth0\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let link = "eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let other = "wlan0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert!(is_lab_network(&format!("{HEAD}{default}{link}")));
        assert!(!is_lab_network(&format!("{HEAD}{default}")));
        assert!(!is_lab_network(&format!("{HEAD}{default}{link}{other}")));
        assert!(!is_lab_network(HEAD));
        assert!(!is_lab_network(""));
    }

    #[test]
    fn only_documentation_addresses_may_be_sent_to() {
        for kept in ["192.0.2.1", "198.51.100.255", "203.0.113.0"] {
            assert!(is_documentation(kept.parse().unwrap()), "{kept}");
        }
        for real in ["192.0.3.1", "127.0.0.1", "10.77.0.1", "8.8.8.8", "2001:db8::1", "::1"] {
            assert!(!is_documentation(real.parse().unwrap()), "{real}");
        }
    }
}
