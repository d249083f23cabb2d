//! The golden bundle: derived here as it was derived where it was made, and refused when one bit of
//! it is another.

mod forge;

use forge::{golden, golden_folder, recheck, unverified};
use watchglass_recheck::{RecheckError, exit_code};

/// `./x test` fails here after a check or the report has changed: `cargo xtask golden` makes the
/// bundle again.
#[test]
fn results_and_report_follow_byte_for_byte() {
    let rechecked = watchglass_recheck::recheck(&golden_folder(), &[])
        .expect("`cargo xtask golden`, if a check or the report was changed");
    // An idle phase of a second says nothing about the claimed three days.
    assert_eq!(exit_code(rechecked.results.verdict.state), 3);
    for id in ["I1", "R1", "R2", "R3-seen", "W1", "X1", "N1", "N2", "N3", "N7", "M2", "N8", "U5"] {
        let check = forge::check(&rechecked.results, id);
        assert_eq!(check.state.to_string(), "kept", "{id}: {}", check.reason);
    }
}

#[test]
fn one_flipped_bit_in_any_file_is_refused_and_the_file_named() {
    let whole = golden();
    assert!(whole.len() >= 4 + 4 + 4 * 5, "{} files", whole.len());
    for (name, bytes) in &whole {
        let last = bytes.len() - 1;
        for position in [0, 1, last / 7, last / 3, last / 2, last * 2 / 3, last - 1, last] {
            for bit in [0, 3, 7] {
                let mut files = whole.clone();
                files.get_mut(name).unwrap()[position] ^= 1 << bit;
                let error = recheck(&files).expect_err("a changed bundle").to_string();
                assert!(error.contains(name.as_str()), "{name} byte {position} bit {bit}: {error}");
            }
        }
    }
}

#[test]
fn a_missing_and_an_extra_file_are_refused_and_named() {
    for name in golden().into_keys() {
        let mut files = golden();
        files.remove(&name);
        let error = recheck(&files).expect_err("a file is missing").to_string();
        assert_eq!(error, format!("{name} is missing"));
    }
    let mut files = golden();
    files.insert("runs/A1/more.log".to_owned(), Vec::new());
    let error = recheck(&files).expect_err("a file too many").to_string();
    assert_eq!(error, "runs/A1/more.log is not in the manifest");
}

#[test]
fn a_pinned_key_is_demanded_and_its_owner_named() {
    let rechecked = recheck(&golden()).unwrap();
    let watchglass_evidence::SignedBy::Unknown(key) = rechecked.signed_by else {
        panic!("nobody pinned a key");
    };
    let pins = watchglass_recheck::Pins::parse(&format!("{key} the golden assayer")).unwrap();
    let pinned = watchglass_recheck::recheck_files(unverified(&golden()), pins.keys()).unwrap();
    let said = watchglass_recheck::whose_key(pinned.signed_by, &pins);
    assert_eq!(said, format!("signed by the golden assayer with {key}, which you pinned"));
    let other = watchglass_evidence::PublicKey::from_bytes([1; 32]);
    let error = watchglass_recheck::recheck_files(unverified(&golden()), &[other]).unwrap_err();
    assert!(matches!(error, RecheckError::Bundle(_)) && error.to_string().contains("not pinned"));
}

#[test]
fn the_golden_bundle_is_small_tells_of_no_machine_and_stores_no_test_virus() {
    let files = golden();
    let bytes: usize = files.values().map(Vec::len).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes");
    let environment = String::from_utf8(files["environment.json"].clone()).unwrap();
    for told in ["\"processors\": 0,", "\"memory_bytes\": 0,"] {
        assert!(environment.contains(told), "{environment}");
    }
    let eicar = watchglass_bait::eicar();
    for (name, bytes) in &files {
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        assert!(!holds(&eicar), "{name} holds the test virus");
        // Where the lab was built, and where its owner lives.
        for word in [&b"/target/"[..], b"/debug/", b"/root/", b"/cargo/"] {
            assert!(!holds(word), "{name}: {}", String::from_utf8_lossy(word));
        }
    }
}
