//! The link between the subject's network namespace and the fake internet, and what leads there.

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::configuration::{Addresses, Network};
use crate::control::FakenetError;
use crate::gate::GATE_PORT;

/// Name of the link on the gate's side.
pub(crate) const GATE_LINK: &str = "gate0";

/// Whether this kernel speaks IPv6.
pub(crate) fn has_ipv6() -> bool {
    std::path::Path::new("/proc/sys/net/ipv6").exists()
}

/// Makes the pair of interfaces and moves one end, not yet up, into the subject's namespace. From
/// here on the gate's end can be captured.
pub(crate) fn create(world: BorrowedFd<'_>, addresses: &Addresses) -> Result<(), FakenetError> {
    let mac = addresses.subject_mac;
    // Packets as they would go over a cable: nobody hands over 64 KiB at once.
    ip(&format!(
        "link add {GATE_LINK} address {GATE_MAC} type veth peer name {WORLD_LINK} address {mac}\n\
         link set {GATE_LINK} gso_max_segs 1\n\
         link set {WORLD_LINK} gso_max_segs 1\n"
    ))?;
    set_system_controls(GATE_CONTROLS)?;
    let until = Instant::now() + MOVE_PATIENCE;
    loop {
        // The link of an earlier run goes away a moment after its process.
        match move_link(world) {
            Err(FakenetError::Command { reason, .. })
                if reason.contains("File exists") && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            moved => return moved,
        }
    }
}

/// Index of the gate's end.
pub(crate) fn gate_index() -> Result<u32, FakenetError> {
    let failed = |error| FakenetError::system(format!("index of {GATE_LINK}"), error);
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
    rustix::net::netdevice::name_to_index(socket.map_err(failed)?, GATE_LINK).map_err(failed)
}

/// Brings the gate's end up with rules and routes that lead every packet to the gate.
pub(crate) fn set_up_gate(
    network: Network,
    addresses: &Addresses,
    refused: &[Ipv4Addr],
    has_ipv6: bool,
) -> Result<(), FakenetError> {
    run("nft", &["-f", "-"], Input::Text(&rules(network, refused)))?;
    let Addresses { subject_v4, subject_v6, gate_v4, gate_v6, .. } = addresses;
    // The gate's own address stands alone, so that every neighbour the subject looks for is the gate
    // too. `local` routes make every address one of this machine (AnyIP): nothing is forwarded, and
    // there is nowhere to forward to.
    let mut script = format!(
        "link set lo up\n\
         addr add {gate_v4}/32 dev {GATE_LINK}\n\
         link set {GATE_LINK} up\n\
         route add {subject_v4}/32 dev {GATE_LINK} src {gate_v4}\n\
         route add local 0.0.0.0/0 dev lo table main\n"
    );
    if has_ipv6 {
        script += &format!(
            "addr add {gate_v6}/128 dev {GATE_LINK} nodad\n\
             route add {subject_v6}/128 dev {GATE_LINK}\n\
             route add local ::/0 dev lo table main\n"
        );
    }
    ip(&script)
}

/// Brings the subject's end up. After this, packets flow.
pub(crate) fn set_up_world(
    world: BorrowedFd<'_>,
    addresses: &Addresses,
    has_ipv6: bool,
) -> Result<(), FakenetError> {
    let Addresses { subject_v4, subject_v6, gate_v4, gate_v6, .. } = addresses;
    let mut script = format!(
        "link set lo up\n\
         addr add {subject_v4}/24 dev {WORLD_LINK}\n\
         link set {WORLD_LINK} up\n\
         route add default via {gate_v4} dev {WORLD_LINK}\n"
    );
    if has_ipv6 {
        script += &format!(
            "addr add {subject_v6}/64 dev {WORLD_LINK} nodad\n\
             route add ::/0 via {gate_v6} dev {WORLD_LINK}\n"
        );
    }
    // A namespace is entered by a thread, so the thread ends afterwards.
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let entered = move_into_link_name_space(world, Some(LinkNameSpaceType::Network));
            entered.map_err(|error| FakenetError::system("setns to the world's network", error))?;
            set_system_controls(WORLD_CONTROLS)?;
            ip(&script)
        });
        inside.join().unwrap_or(Err(FakenetError::Ended))
    })
}

fn move_link(world: BorrowedFd<'_>) -> Result<(), FakenetError> {
    let namespace = world.try_clone_to_owned();
    let namespace = namespace.map_err(|error| FakenetError::system("dup", error))?;
    // `ip` takes a path for a namespace; its standard input is the one descriptor it is given.
    let arguments = ["link", "set", WORLD_LINK, "netns", "/proc/self/fd/0"];
    run("ip", &arguments, Input::Descriptor(namespace))
}

/// The gate's firewall. Nothing passes a chain that it should not: what is not led to the gate's
/// sockets gets no answer but the kernel's own to ICMP and neighbour discovery.
fn rules(network: Network, refused: &[Ipv4Addr]) -> String {
    let neighbours =
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept";
    let forward = "chain forward {\n type filter hook forward priority filter; policy drop;\n }";
    let body = match network {
        // Datagrams meet a closed port: of all refusals, only that one reaches every socket.
        Network::None => format!(
            "chain input {{\n type filter hook input priority filter; policy drop;\n \
             {neighbours}\n meta l4proto tcp reject with tcp reset\n \
             reject with icmpx port-unreachable\n }}"
        ),
        Network::Vendor | Network::Real { .. } => {
            let echo = match network {
                // Nobody's echo but the peer's own would be true, and that is not passed on.
                Network::Real { .. } => {
                    " icmp type echo-request drop\n icmpv6 type echo-request drop\n"
                }
                _ => "",
            };
            let refused: String = refused
                .iter()
                .map(|address| {
                    format!(" ip daddr {address} meta l4proto tcp reject with tcp reset\n")
                })
                .collect();
            format!(
                "chain lead {{\n type filter hook prerouting priority mangle; policy accept;\n \
                 iifname != \"{GATE_LINK}\" accept\n{}\
                 meta l4proto {{ tcp, udp }} tproxy to :{GATE_PORT} accept\n }}\n\
                 chain input {{\n type filter hook input priority filter; policy accept;\n{echo}{refused} }}",
                refused_early(&refused),
            )
        }
    };
    format!("table inet gate {{\n {body}\n {forward}\n}}\n")
}

/// Packets that shall meet the rules of the input chain are left alone before.
fn refused_early(refused: &str) -> String {
    refused.replace("reject with tcp reset", "accept")
}

fn ip(script: &str) -> Result<(), FakenetError> {
    run("ip", &["-batch", "-"], Input::Text(script))
}

enum Input<'a> {
    Text(&'a str),
    Descriptor(OwnedFd),
}

fn run(program: &'static str, arguments: &[&str], input: Input<'_>) -> Result<(), FakenetError> {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", PATH).stdout(Stdio::null()).stderr(Stdio::piped());
    let text = match input {
        Input::Text(text) => {
            command.stdin(Stdio::piped());
            text
        }
        Input::Descriptor(descriptor) => {
            command.stdin(descriptor);
            ""
        }
    };
    let spawned = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => FakenetError::NoProgram(program),
        _ => FakenetError::system(program, error),
    });
    let mut child = spawned?;
    let failed = |error| FakenetError::system(program, error);
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(FakenetError::Command { program, reason })
}

/// Kernel settings of this thread's network namespace. Those of IPv6 are left out where there is
/// none.
fn set_system_controls(controls: &[(&str, &str)]) -> Result<(), FakenetError> {
    for (name, value) in controls {
        let path = format!("/proc/sys/net/{name}");
        match std::fs::write(&path, value) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            written => written.map_err(|error| FakenetError::system(path, error))?,
        }
    }
    Ok(())
}

const GATE_CONTROLS: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/gate0/rp_filter", "0"),
    ("ipv4/ip_forward", "0"),
    ("ipv4/ip_nonlocal_bind", "1"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    // TCP Fast Open on all listeners (ip-sysctl, tcp_fastopen: 1, 2, 0x400). Not 0x200, which takes
    // data without a cookie but then hands none out, so that clients never send any.
    ("ipv4/tcp_fastopen", "1027"),
    // Every refusal is told, not one for each second.
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/conf/all/forwarding", "0"),
    ("ipv6/ip_nonlocal_bind", "1"),
    ("ipv6/conf/gate0/addr_gen_mode", "1"),
    ("ipv6/conf/gate0/accept_dad", "0"),
    ("ipv6/conf/gate0/accept_ra", "0"),
];

/// No address of its own making, no waiting for others with the same one, no routers looked for: the
/// link is quiet unless the subject speaks.
const WORLD_CONTROLS: &[(&str, &str)] = &[
    ("ipv6/conf/eth0/addr_gen_mode", "1"),
    ("ipv6/conf/eth0/accept_dad", "0"),
    ("ipv6/conf/eth0/accept_ra", "0"),
    ("ipv6/conf/eth0/use_tempaddr", "0"),
    ("ipv6/conf/eth0/router_solicitations", "0"),
];

const WORLD_LINK: &str = "eth0";
const GATE_MAC: &str = "02:77:00:00:00:01";
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const MOVE_PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_refuse_are_not_led_to_the_gate() {
        let rules = rules(Network::Vendor, &[Ipv4Addr::new(192, 0, 2, 7)]);
        let redirect = rules.find("192.0.2.7 meta l4proto tcp accept").unwrap();
        assert!(redirect < rules.find("tproxy").unwrap());
        assert!(rules.contains("ip daddr 192.0.2.7 meta l4proto tcp reject with tcp reset"));
    }
}
