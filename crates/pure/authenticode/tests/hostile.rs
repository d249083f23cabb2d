//! A signature that others made, whole, cut short and changed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests read files and start programs"
)]

use std::ops::Range;
use std::process::Command;

use watchglass_authenticode::{
    Algorithm, Distrust, Known, KnownCertificate, Outcome, Rights, examine,
};

#[test]
fn a_signature_is_trusted_whole_alone() {
    let Some(made) = Made::new("a_signature_is_trusted_whole_alone") else { return };
    assert_eq!(made.ask(&made.signature).trust, Ok(()));
    for cut in 0..made.signature.len() {
        let outcome = made.ask(&made.signature[..cut]);
        // What follows the structure fills it up.
        assert!(outcome.trust.is_err() || made.signature[cut..].iter().all(|byte| *byte == 0));
    }
    let mut dice = Dice(7);
    let end = 4 + usize::from(u16::from_be_bytes([made.signature[2], made.signature[3]]));
    let mut trusted = 0;
    for _ in 0..3000 {
        let mut changed = made.signature.clone();
        let at = dice.below(changed.len());
        changed[at] ^= 1 << dice.below(8);
        if made.ask(&changed).trust.is_ok() {
            // The root is known, so its copy is asked for nothing; what fills up is no part of it.
            let is_free = made.root.contains(&at) || at >= end;
            assert!(is_free, "trusted with byte {at} of {end} changed");
            trusted += 1;
        }
    }
    assert!(trusted < 1500, "{trusted}");
}

#[test]
fn trust_needs_the_program_the_key_the_rights_and_the_time() {
    let test = "trust_needs_the_program_the_key_the_rights_and_the_time";
    let Some(made) = Made::new(test) else { return };
    let with = |digest: &[u8], known: Known<'_>, now| {
        examine(&made.signature, &|_| digest.to_vec(), known, now)
    };
    let right = Algorithm::Sha256.digest([&b"a program"[..]]);
    let known = made.known(Rights { code: true, time: true, certificates: true });
    let trusted = Known { trusted: &[known], blocked: &[] };
    assert_eq!(with(&right, trusted, made.now).trust, Ok(()));
    assert_eq!(with(&right[1..], trusted, made.now).trust, Err(Distrust::Digest));
    assert_eq!(with(&right, trusted, None).trust, Err(Distrust::Expired));
    assert_eq!(with(&right, trusted, Some(0)).trust, Err(Distrust::Expired));
    assert_eq!(with(&right, Known::default(), made.now).trust, Err(Distrust::Signer));
    let other = [KnownCertificate { modulus: &made.modulus[1..], ..known }];
    let trusts = |list| Known { trusted: list, blocked: &[] };
    assert_eq!(with(&right, trusts(&other), made.now).trust, Err(Distrust::Signer));
    let no_code = [made.known(Rights { code: false, time: true, certificates: true })];
    assert_eq!(with(&right, trusts(&no_code), made.now).trust, Err(Distrust::Signer));
    let no_authority = [made.known(Rights { code: true, time: true, certificates: false })];
    assert_eq!(with(&right, trusts(&no_authority), made.now).trust, Err(Distrust::Signer));
    let blocked = Known { trusted: &[known], blocked: &other };
    assert_eq!(with(&right, blocked, made.now), Outcome { blocked: vec![], trust: Ok(()) });
    let blocked = Known { trusted: &[known], blocked: &[other[0], known] };
    assert_eq!(with(&right, blocked, made.now), Outcome { blocked: vec![1], trust: Ok(()) });
}

/// A signature over the digest of `a program`.
struct Made {
    signature: Vec<u8>,
    subject: [u8; 20],
    modulus: Vec<u8>,
    /// Where the certificate of the authority stands in it.
    root: Range<usize>,
    now: Option<i64>,
}

impl Made {
    fn new(test: &str) -> Option<Self> {
        for program in ["osslsigncode", "openssl", "x86_64-w64-mingw32-gcc"] {
            if Command::new(program).arg("--version").output().is_err() {
                eprintln!("skipped: {test}: {program} is not installed");
                assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {program}");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let output =
            Command::new("sh").args(["-ec", MAKE]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        let root = read("root.der");
        let signature = read("signature");
        let at = signature.windows(root.len()).position(|part| part == root).unwrap();
        let text = String::from_utf8(read("modulus")).unwrap();
        let digits = text.trim().split_once('=').unwrap().1;
        let modulus: Vec<u8> = (0..digits.len() / 2)
            .map(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).unwrap())
            .collect();
        // C=UK, CN=root.
        let subject = [
            &[0x31, 0x0b, 0x30, 0x09, 0x06, 3, 0x55, 4, 6, 0x13, 2][..],
            b"UK",
            &[0x31, 0x0d, 0x30, 0x0b, 0x06, 3, 0x55, 4, 3, 0x0c, 4],
            b"root",
        ];
        let subject = Algorithm::Sha1.digest(subject).try_into().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).ok();
        Some(Self { signature, subject, modulus, root: at..at + root.len(), now })
    }

    fn known(&self, rights: Rights) -> KnownCertificate<'_> {
        let (subject, modulus) = (self.subject, &self.modulus[..]);
        KnownCertificate { subject, serial: None, modulus, rights, not_before: 0 }
    }

    fn ask(&self, signature: &[u8]) -> Outcome {
        let all = Rights { code: true, time: true, certificates: true };
        let known = Known { trusted: &[self.known(all)], blocked: &[] };
        let digest = |algorithm: Algorithm| algorithm.digest([&b"a program"[..]]);
        examine(signature, &digest, known, self.now)
    }
}

/// Signs a program, then signs another digest in its place by the same key.
const MAKE: &str = r#"
echo 'int main(void) { return 0; }' > a.c
x86_64-w64-mingw32-gcc -s -o a.exe a.c
make() { openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "/C=UK/CN=$1"; }
make root 2> log; make leaf 2> log
printf 'keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE\n' > root.ext
printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n' > leaf.ext
openssl x509 -req -in root.csr -signkey root.key -days 3000 -extfile root.ext -out root.pem 2> log
openssl x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -days 300 -extfile leaf.ext -out leaf.pem 2> log
openssl x509 -in root.pem -outform der -out root.der
openssl x509 -in root.pem -noout -modulus > modulus
osslsigncode sign -certs leaf.pem -key leaf.key -ac root.pem -h sha256 -in a.exe -out b.exe > log
python3 - <<'END'
import hashlib, subprocess
data = bytearray(open('b.exe', 'rb').read())
header = int.from_bytes(data[60:64], 'little')
table = header + 24 + 112 + 4 * 8
at = int.from_bytes(data[table:table + 4], 'little')
signature = bytearray(data[at + 8:])
plain = data[:header + 24 + 64] + data[header + 24 + 68:table] + data[table + 8:at]
old = hashlib.sha256(plain).digest()
assert signature.count(old) == 1
place = signature.find(old)
signature[place:place + 32] = hashlib.sha256(b'a program').digest()
# The content is a sequence of two, of which the digest is the last value.
start = signature.find(bytes.fromhex('060a2b060104018237020104')) + 12
length = signature[start + 3]
content = signature[start + 4:start + 4 + length]
oid = bytes.fromhex('06092a864886f70d010904')
digest = signature.find(oid) + len(oid) + 4
signature[digest:digest + 32] = hashlib.sha256(content).digest()
kind = bytes.fromhex('06092a864886f70d010903')
first = signature.find(kind) - 2
attributes = first - 3 if signature[first - 3] == 0xa0 else first - 2
size = signature[attributes + 2] if signature[attributes + 1] == 0x81 else signature[attributes + 1]
end = first + size
open('attributes', 'wb').write(b'\x31' + signature[attributes + 1:end])
signed = subprocess.run('openssl dgst -sha256 -sign leaf.key attributes'.split(), capture_output=True).stdout
place = signature.find(b'\x04\x82\x01\x00', end) + 4
signature[place:place + 256] = signed
open('signature', 'wb').write(signature)
END
"#;

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % bound
    }
}
