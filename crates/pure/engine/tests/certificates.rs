//! Certificates of sets make programs good or bad as with clamscan.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use rival::{are_there, compare, shell};

#[test]
fn signed_programs_are_trusted_and_blocked_as_by_clamscan() {
    let programs = ["clamscan", "sigtool", "openssl", "osslsigncode", "python3", "zip"];
    let test = "signed_programs_are_trusted_and_blocked_as_by_clamscan";
    if !are_there(test, &programs) || !are_there(test, &["x86_64-w64-mingw32-gcc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), MAKE);
    let files = folder.path().join("files");
    let bodies = "Body:0:*:68656c6c6f20\nProgram:1:*:68656c6c6f20\n";
    let hash = std::fs::read_to_string(folder.path().join("hash")).unwrap();
    let mut told = Vec::new();
    for case in CASES {
        let lines = std::fs::read_to_string(folder.path().join("cases").join(case)).unwrap();
        let sets = [("a.ndb", bodies), ("a.hdb", hash.as_str()), ("a.crb", lines.as_str())];
        let found = compare(&sets, &files, &[]);
        let names: usize = found.values().map(std::collections::BTreeSet::len).sum();
        told.push(format!("{case}: {} files, {names} names", found.len()));
    }
    assert_eq!(told, EXPECTED);
    // With a blocked certificate clamscan takes what it cannot read to its end for signed.
    let lines = std::fs::read_to_string(folder.path().join("cases/root")).unwrap();
    let more = compare(&[("a.ndb", bodies), ("a.crb", &lines)], &folder.path().join("more"), &[]);
    assert_eq!(more.len(), 1);
}

const CASES: &[&str] = &[
    "root",
    "root_without_rights",
    "root_late",
    "leaf",
    "leaf_without_rights",
    "leaf_other_serial",
    "leaf_late",
    "middle",
    "blocked_leaf",
    "blocked_root",
    "blocked_twice",
    "blocked_and_trusted",
    "blocked_other_serial",
    "unnamed",
    "key_alone",
];

/// So that nothing agrees because nothing is found.
const EXPECTED: &[&str] = &[
    "root: 9 files, 18 names",
    "root_without_rights: 18 files, 38 names",
    "root_late: 9 files, 18 names",
    "leaf: 8 files, 16 names",
    "leaf_without_rights: 18 files, 38 names",
    "leaf_other_serial: 18 files, 38 names",
    "leaf_late: 18 files, 38 names",
    "middle: 9 files, 18 names",
    "blocked_leaf: 18 files, 50 names",
    "blocked_root: 18 files, 51 names",
    "blocked_twice: 18 files, 63 names",
    "blocked_and_trusted: 17 files, 30 names",
    "blocked_other_serial: 18 files, 38 names",
    "unnamed: 18 files, 50 names",
    "key_alone: 18 files, 38 names",
];

/// Programs that a certificate of a chain signed, in several ways and with damage.
const MAKE: &str = r#"
mkdir files more cases
cat > a.c <<'END'
#include <stdio.h>
int main(int count, char **all) { printf("hello %d %s\n", count, all[0]); return 0; }
END
x86_64-w64-mingw32-gcc -O1 -s -o plain.exe a.c
x86_64-w64-mingw32-gcc -O1 -s -shared -o plain.dll a.c
authority() {
    openssl req -newkey rsa:$4 -nodes -keyout $1.key -out $1.csr -subj "/C=UK/O=Test/CN=$1" 2> log
    printf "$3" > $1.ext
    if [ $2 = self ]; then
        openssl x509 -req -in $1.csr -signkey $1.key -days 3000 -extfile $1.ext -out $1.pem 2> log
    else
        openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days $5 -extfile $1.ext -out $1.pem 2> log
    fi
}
CA='keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE\n'
CODE='keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n'
authority root self "$CA" 2048
authority middle root "$CA" 3072 2000
authority leaf middle "$CODE" 2048 1000
authority server middle 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n' 2048 1000
authority bare self 'subjectKeyIdentifier=hash\n' 2048
cat middle.pem root.pem > chain.pem
s() { out=$1; by=$2; shift 2; osslsigncode sign -certs $by.pem -key $by.key -in plain.exe -out files/$out "$@" > log; }
s signed.exe leaf -ac chain.pem -h sha256
s sha1.exe leaf -ac chain.pem -h sha1
s sha384.exe leaf -ac chain.pem -h sha384
s md5.exe leaf -ac chain.pem -h md5
s no_chain.exe leaf -h sha256
s no_root.exe leaf -ac middle.pem -h sha256
s server.exe server -ac chain.pem -h sha256
s by_root.exe root -h sha256
s bare.exe bare -h sha256
osslsigncode sign -certs leaf.pem -key leaf.key -ac chain.pem -h sha256 -in plain.dll -out files/signed.dll > log
cp plain.exe files/plain.exe
cp files/signed.exe files/tail.exe; printf 'a tail of it ' >> files/tail.exe
zip -q files/in.zip files/signed.exe
cat > make.py <<'END'
import hashlib, re, subprocess
data = bytearray(open('files/signed.exe', 'rb').read())
open('hash', 'w').write(f'{hashlib.md5(data).hexdigest()}:{len(data)}:Digest\n')
plain = len(open('plain.exe', 'rb').read())
def damaged(name, at, folder='files/'):
    other = bytearray(data)
    other[at] ^= 1
    open(folder + name, 'wb').write(other)
damaged('changed.exe', plain // 2)
damaged('changed_sum.exe', int.from_bytes(data[60:64], 'little') + 24 + 64)
leaf = subprocess.run('openssl x509 -in leaf.pem -outform der'.split(), capture_output=True).stdout
at = data.find(leaf)
damaged('changed_certificate.exe', at + len(leaf) - 9)
damaged('changed_subject.exe', data.find(b'leaf', at))
damaged('changed_signature.exe', len(data) - 40)
damaged('changed_attribute.exe', data.find(bytes.fromhex('2b060104018237020104'), at + len(leaf)) + 9, 'more/')
def of(name):
    out = subprocess.run(['sigtool', '--print-certs=' + name], capture_output=True, text=True)
    return re.findall(r'  subject: (\w+)\n.*?  serial: (\w+)\n.*?  pubkey: (\w+)', out.stdout + out.stderr, re.S)
certificates = of('files/signed.exe')
def named(name):
    pem = subprocess.run(['openssl', 'x509', '-in', name + '.pem', '-noout', '-modulus'], capture_output=True, text=True).stdout
    modulus = pem.split('=')[1].strip()
    return next(one for one in certificates if one[2].lower() == modulus.lower())
leaf, middle, root = named('leaf'), named('middle'), named('root')
def line(name, trust, of, serial, rights, begins='', key=None):
    code, time, cert = rights
    return f'{name};{trust};{of[0]};{of[1] if serial is True else serial};{key or of[2]};010001;{code};{time};{cert};{begins};a comment\n'
other = middle[1]
cases = {
    'root': line('Root', 1, root, '', '111'),
    'root_without_rights': line('Root', 1, root, True, '001'),
    'root_late': line('Root', 1, root, '', '111', '2000000000'),
    'leaf': line('Leaf', 1, leaf, True, '100'),
    'leaf_without_rights': line('Leaf', 1, leaf, True, '011'),
    'leaf_other_serial': line('Leaf', 1, leaf, other, '100'),
    'leaf_late': line('Leaf', 1, leaf, '', '111', '2000000000'),
    'middle': line('Middle', 1, middle, '', '101'),
    'blocked_leaf': line('Blocked.Leaf', 0, leaf, True, '000'),
    'blocked_root': line('Blocked.Root', 0, root, '', '111'),
    'blocked_twice': line('Blocked.Root', 0, root, '', '111') + line('Blocked.Leaf', 0, leaf, '', '111'),
    'blocked_and_trusted': line('Root', 1, root, '', '111') + line('Blocked.Leaf', 0, leaf, '', '111'),
    'blocked_other_serial': line('Blocked.Leaf', 0, leaf, other, '111'),
    'unnamed': line('', 0, leaf, '', '100'),
    'key_alone': line('Root', 1, root, '', '111', key=leaf[2]),
}
for name, text in cases.items():
    open('cases/' + name, 'w').write(text)
END
python3 make.py
"#;
