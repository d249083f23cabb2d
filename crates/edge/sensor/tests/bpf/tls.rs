use std::path::Path;
use std::process::{Command, Stdio};

use watchglass_events::{Direction, What};
use watchglass_sensor::bpf::{Options, Uprobes};

use crate::support::{Helper, Recorded, World, can_record, has_programs};

const OPENSSL: &str = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
const GNUTLS: &str = "/usr/lib/x86_64-linux-gnu/libgnutls.so.30";

/// A TLS server outside of the world that answers every request with its status page.
fn serve(folder: &Path) -> (Helper, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "9"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", crate::support::text(&made));
    let server = Command::new("openssl")
        .args(["s_server", "-quiet", "-www", "-key", "key.pem", "-cert", "certificate.pem"])
        .args(["-port", &port.to_string()])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    (Helper(server), port)
}

fn clear_text(recorded: &Recorded, library: &str, wanted: Direction) -> String {
    let mut text = Vec::new();
    for what in recorded.whats() {
        if let What::Tls { library: found, direction, data, .. } = what
            && found.to_string().ends_with(library)
            && *direction == wanted
        {
            text.extend_from_slice(data.as_bytes());
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn check_openssl(name: &str, libraries: &[&str]) {
    if !can_record(name) || !has_programs(name, &["curl", "openssl"]) {
        return;
    }
    let options = Options {
        libraries: libraries.iter().map(|&path| path.into()).collect(),
        ..Options::default()
    };
    let world = World::watch(&options);
    let (_server, port) = serve(world.folder.path());
    // Thirty exchanges: where the library is found as it is mapped, the first may pass before.
    let url = format!("https://localhost:{port}/telling[1-30]");
    let header = "X-Install: 0f3a-unique";
    world.run_well("/usr/bin/curl", &["--cacert", "certificate.pem", "-s", "-H", header, &url]);
    let recorded = world.finish().whole();
    let sent = clear_text(&recorded, "/libssl.so.3", Direction::Sent);
    let first =
        if libraries.is_empty() { "GET /telling30 HTTP/1.1" } else { "GET /telling1 HTTP/1.1" };
    assert!(sent.contains(first) && sent.contains(header), "{sent:?}");
    assert!(sent.contains("GET /telling30 HTTP/1.1"), "{sent:?}");
    let received = clear_text(&recorded, "/libssl.so.3", Direction::Received);
    assert!(received.contains("HTTP/1.0 200 ok"), "{received:?}");
    recorded.has(
        "the connection by its address",
        |what| matches!(what, What::Tls { session: Some(session), .. } if *session != 0),
    );
    recorded.has("what is beyond 4 KiB is counted", |what| match what {
        What::Tls { data, cut, .. } => *cut > 0 && data.as_bytes().len() == 4096,
        _ => false,
    });
}

#[test]
fn clear_text_of_a_library_probed_beforehand_is_told() {
    check_openssl("clear_text_of_a_library_probed_beforehand_is_told", &[OPENSSL]);
}

#[test]
fn clear_text_of_a_library_found_as_it_is_mapped_is_told() {
    check_openssl("clear_text_of_a_library_found_as_it_is_mapped_is_told", &[]);
}

#[test]
fn clear_text_of_gnutls_is_told() {
    let name = "clear_text_of_gnutls_is_told";
    if !can_record(name) || !has_programs(name, &["gnutls-cli", "openssl"]) {
        return;
    }
    let options = Options { libraries: vec![GNUTLS.into()], ..Options::default() };
    let world = World::watch(&options);
    let (_server, port) = serve(world.folder.path());
    let script = format!(
        "printf 'GET /gnutls HTTP/1.0\\r\\n\\r\\n' | gnutls-cli --x509cafile=certificate.pem -p {port} localhost"
    );
    let output = world.run("/bin/sh", &["-c", &script]);
    let recorded = world.finish().whole();
    let sent = clear_text(&recorded, "/libgnutls.so.30", Direction::Sent);
    assert!(sent.contains("GET /gnutls"), "{sent:?} {}", crate::support::text(&output));
    let received = clear_text(&recorded, "/libgnutls.so.30", Direction::Received);
    assert!(received.contains("200 ok"), "{received:?}");
}

#[test]
fn without_uprobes_no_library_is_touched() {
    let name = "without_uprobes_no_library_is_touched";
    if !can_record(name) || !has_programs(name, &["curl", "openssl"]) {
        return;
    }
    let options =
        Options { libraries: vec![OPENSSL.into()], uprobes: Uprobes::Off, ..Options::default() };
    let world = World::watch(&options);
    let (_server, port) = serve(world.folder.path());
    world.run_well("/usr/bin/curl", &["-ks", &format!("https://localhost:{port}/")]);
    let recorded = world.finish().whole();
    assert!(!recorded.any(|what| matches!(what, What::Tls { .. })));
    assert!(recorded.totals[2].blind[0].contains("switched off"), "{:?}", recorded.totals[2]);
}

#[test]
fn the_libraries_of_a_root_are_found_each_once_and_never_outside_of_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/x86_64-linux-gnu");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("libgnutls.so.30.1"), "x").unwrap();
    std::fs::write(folder.join("libssl3.so"), "NSS").unwrap();
    std::os::unix::fs::symlink("libgnutls.so.30.1", folder.join("libgnutls.so.30")).unwrap();
    // The root's own link to a file that only the machine has.
    std::os::unix::fs::symlink("/etc/passwd", folder.join("libssl.so.3")).unwrap();
    std::fs::create_dir(folder.join("libssl.so.1")).unwrap();
    let found = watchglass_sensor::bpf::tls_libraries(root.path());
    assert_eq!(found, [Path::new("/usr/lib/x86_64-linux-gnu/libgnutls.so.30")]);
}
