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
    assert_eq!(more.len(), 4);
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
    "root_without_rights: 19 files, 40 names",
    "root_late: 9 files, 18 names",
    "leaf: 9 files, 18 names",
    "leaf_without_rights: 19 files, 40 names",
    "leaf_other_serial: 19 files, 40 names",
    "leaf_late: 19 files, 40 names",
    "middle: 10 files, 20 names",
    "blocked_leaf: 19 files, 53 names",
    "blocked_root: 19 files, 54 names",
    "blocked_twice: 19 files, 67 names",
    "blocked_and_trusted: 18 files, 31 names",
    "blocked_other_serial: 19 files, 40 names",
    "unnamed: 19 files, 53 names",
    "key_alone: 19 files, 40 names",
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
authority clock root 'keyUsage=critical,digitalSignature\nextendedKeyUsage=timeStamping\n' 2048 1000
authority bare self 'subjectKeyIdentifier=hash\n' 2048
cat middle.pem root.pem > chain.pem
cat middle.pem root.pem clock.pem > clocks.pem
s() { out=$1; by=$2; shift 2; osslsigncode sign -certs $by.pem -key $by.key -in plain.exe -out files/$out "$@" > log; }
s signed.exe leaf -ac chain.pem -h sha256
s to_be_stamped.exe leaf -ac clocks.pem -h sha256; mv files/to_be_stamped.exe .
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
def tlv(tag, *parts):
    content = b''.join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, 'big') if size > 255 else bytes([0x81, size])
    return bytes([tag]) + length + content
def items(content):
    while content:
        size, head = content[1], 2
        if size & 0x80:
            head += size & 0x7f
            size = int.from_bytes(content[2:head], 'big')
        yield content[0], content[:head + size], content[head:head + size]
        content = content[head + size:]
def inside(content, *path):
    for place in path:
        content = list(items(content))[place][2]
    return list(items(content))
RSA, SHA1 = bytes.fromhex('300d06092a864886f70d0101010500'), bytes.fromhex('300906052b0e03021a0500')
def attribute(number, value):
    return tlv(0x30, bytes.fromhex('06092a864886f70d0109') + bytes([number]), tlv(0x31, value))
def stamped(name, time, breaks=False, by='clock'):
    data = open('to_be_stamped.exe', 'rb').read()
    header = int.from_bytes(data[60:64], 'little')
    entry = header + 24 + 112 + 4 * 8
    at = int.from_bytes(data[entry:entry + 4], 'little')
    kind, whole, content = next(items(data[at + 8:]))
    signed = [one for _, one, _ in inside(content, 1, 0)]
    signer = [one for _, one, _ in inside(signed[-1], 0, 0)]
    digest = hashlib.sha1(list(items(signer[-1]))[0][2]).digest()
    certificate = subprocess.run(['openssl', 'x509', '-in', by + '.pem', '-outform', 'der'], capture_output=True).stdout
    fields = inside(certificate, 0, 0)
    who = tlv(0x30, fields[3][1], fields[1][1])
    attributes = attribute(3, bytes.fromhex('06092a864886f70d010701')) + attribute(5, tlv(0x17, time)) + attribute(4, tlv(4, digest))
    open('attributes', 'wb').write(tlv(0x31, attributes))
    value = subprocess.run(['openssl', 'dgst', '-sha1', '-sign', by + '.key', 'attributes'], capture_output=True).stdout
    if breaks:
        value = value[:-1] + bytes([value[-1] ^ 1])
    counter = tlv(0x30, tlv(2, b'\1'), who, SHA1, tlv(0xa0, attributes), RSA, tlv(4, value))
    signer.append(tlv(0xa1, attribute(6, counter)))
    signed[-1] = tlv(0x31, tlv(0x30, *signer))
    made = tlv(0x30, list(items(content))[0][1], tlv(0xa0, tlv(0x30, *signed)))
    made += bytes(-len(made) % 8)
    size = (len(made) + 8).to_bytes(4, 'little')
    open(name, 'wb').write(data[:entry + 4] + size + data[entry + 8:at] + size + data[at + 4:at + 8] + made)
import time
now = time.strftime('%y%m%d%H%M%SZ', time.gmtime(time.time() + 60)).encode()
stamped('files/stamped.exe', now)
stamped('more/stamped_early.exe', b'200101000000Z')
stamped('more/stamped_badly.exe', now, breaks=True)
stamped('more/stamped_by_signer.exe', now, by='leaf')
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
