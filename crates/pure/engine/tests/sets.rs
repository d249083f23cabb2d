//! Digests, names to be ignored, files that are good, `u` variants and containers of sets work together
//! as with clamscan.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use rival::{are_there, compare, shell};

#[test]
fn sets_work_together_as_by_clamscan() {
    let programs = ["clamscan", "sigtool", "python3", "zip", "i686-w64-mingw32-gcc"];
    if !are_there("sets_work_together_as_by_clamscan", &programs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), MAKE);
    let files = folder.path().join("files");
    let mut found = Vec::new();
    for (cases, texts) in each_case(folder.path()) {
        let sets: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        // What lies in a good file is clean for its cache, and found nowhere else from then on.
        let names: usize =
            compare(&sets, &files, &["--disable-cache"]).values().map(|names| names.len()).sum();
        found.push(format!("{cases} {names}"));
    }
    assert_eq!(found, EXPECTED);
}

type Case = (String, Vec<(String, String)>);

fn each_case(folder: &std::path::Path) -> Vec<Case> {
    let read = |path: std::path::PathBuf| {
        let mut texts = Vec::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            texts.push((name, std::fs::read_to_string(path).unwrap()));
        }
        texts.sort();
        texts
    };
    let cases = std::fs::read_dir(folder.join("cases")).unwrap();
    let mut cases: Vec<Case> = cases
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(path)))
        .collect();
    cases.sort();
    cases
}

/// How many names each case gives, so that nothing agrees because nothing is found.
const EXPECTED: &[&str] = &[
    "all 44",
    "allowed 8",
    "allowed_any 8",
    "allowed_by_sha1 8",
    "allowed_other 44",
    "allowed_outside 24",
    "ignored 32",
    "ignored_line 42",
    "ignored_old 40",
    "old 6",
    "unwanted 38",
];

const MAKE: &str = r#"
mkdir files cases
cat > a.c <<'END'
#include <stdio.h>
int main(int count, char **all) { printf("hello %d %s\n", count, all[0]); return 0; }
END
# Of 32 bits: clamscan 1.4.6 does not look at the import table of others.
i686-w64-mingw32-gcc -O1 -s -o files/a.exe a.c
i686-w64-mingw32-gcc -O2 -s -Wl,--file-alignment,1024 -o b.exe a.c
printf 'some text of no type, with a marker\n' > files/text
zip -q files/a.zip files/a.exe files/text; zip -q files/b.zip b.exe
sigtool --imp files/a.exe > imp 2>&1; sigtool --mdb files/a.exe > mdb 2>&1
cat > make.py <<'END'
import hashlib, os, re
def digests(name):
    data = open(name, 'rb').read()
    return len(data), *(hashlib.new(one, data).hexdigest() for one in ('md5', 'sha1', 'sha256'))
size, md5, sha1, sha256 = digests('files/a.exe')
text = digests('files/text')
archive = digests('files/a.zip')
imp, length = re.search(r'Imphash: (\w+):(\d+)', open('imp').read()).groups()
sections = re.findall(r'Section\{\d+\}: (\d+):(\w+)', open('mdb').read())
data = open('files/a.exe', 'rb').read()
def section(number):
    size, wanted = sections[number]
    for at in range(0, len(data), 512):
        part = data[at:at + int(size)]
        if hashlib.md5(part).hexdigest() == wanted:
            return part
part = section(0)
hashes = f'{md5}:{size}:Md5\n{md5}:*:Md5.any:73\n{md5}:{size + 1}:Md5.no\n{text[1]}:{text[0]}:Text\n'
long = f'{sha1}:{size}:Sha1\n{sha256}:{size}:Sha256\n{sha256}:*:Sha256.any:73\n'
mdb = ''.join(f'{size}:{md5}:Section.{n}\n' for n, (size, md5) in enumerate(sections))
msb = f'{len(part)}:{hashlib.sha256(part).hexdigest()}:Section.256\n*:{hashlib.sha1(part).hexdigest()}:Section.1.any:73\n'
ndb = 'Body:0:*:6120746169??\nMarker:0:*:6d61726b6572\nEntry:1:EP+0:??\n'.replace('Entry:1:EP+0:??\n', '')
ldb = 'Logic;Engine:51-255,Target:1;0&1;546869732070726f6772616d;68656c6c6f20\n'
everything = {'a.hdb': hashes, 'a.hsb': long, 'a.mdb': mdb, 'a.msb': msb, 'a.imp': f'{imp}:{length}:Imports\n{imp}:*:Imports.any:73\n', 'a.ndb': ndb, 'a.ldb': ldb}
line = hashlib.md5(f'{md5}:{size}:Md5'.encode()).hexdigest()
cases = {
    'all': everything,
    'allowed': everything | {'a.fp': f'{md5}:{size}:Good\n'},
    'allowed_any': everything | {'a.sfp': f'{sha256}:*:Good:73\n'},
    'allowed_by_sha1': everything | {'a.sfp': f'{sha1}:{size}:Good\n'},
    'allowed_outside': everything | {'a.fp': f'{archive[1]}:{archive[0]}:Good\n'},
    'allowed_other': everything | {'a.fp': f'{md5}:{size + 1}:Good\n'},
    'ignored': everything | {'a.ign2': 'Md5\nMarker\nLogic\nSection.3\nImports\nNo.such\n'},
    'ignored_line': everything | {'a.ign2': f'Md5:{line}\nSha256:{line}\n'},
    'ignored_old': everything | {'a.ign': 'a.hdb:1:Md5\na.ndb:2:Marker\n'},
    'unwanted': {'a.hdu': hashes, 'a.hsu': long, 'a.mdu': mdb, 'a.msu': msb, 'a.ndu': ndb, 'a.ldu': ldb},
    'old': {'a.db': 'Old=6d61726b6572\nOld.parts=736f6d65*6d61726b6572\n', 'a.sdb': ndb},
}
for name, sets in cases.items():
    os.mkdir(f'cases/{name}')
    for file, text in sets.items():
        open(f'cases/{name}/{file}', 'w').write(text)
END
python3 make.py
"#;
