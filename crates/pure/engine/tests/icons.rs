//! Groups of icons, and types that signatures tell, hold as with clamscan.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rival;

use std::fmt::Write as _;

use rival::{are_there, compare, scan, shell};

#[test]
fn programs_that_look_alike_are_found_as_by_clamscan() {
    let test = "programs_that_look_alike_are_found_as_by_clamscan";
    let programs = ["clamscan", "python3", "x86_64-w64-mingw32-windres", "x86_64-w64-mingw32-gcc"];
    if !are_there(test, &programs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), MAKE);
    let icons = std::fs::read_to_string(folder.path().join("a.idb")).unwrap();
    let mut lines = String::new();
    for number in 0..icons.lines().count() {
        writeln!(lines, "I{number};Engine:51-255,Target:1,IconGroup1:G{number};0;{STUB}").unwrap();
        writeln!(lines, "H{number};Engine:51-255,Target:1,IconGroup2:H{};0;{STUB}", number % 3)
            .unwrap();
    }
    for groups in [
        "IconGroup1:*",
        "IconGroup1:none",
        "IconGroup1:G1,IconGroup2:H0",
        "IconGroup1:G1,IconGroup2:H1",
    ] {
        writeln!(
            lines,
            "{};Engine:51-255,Target:1,{groups};0;{STUB}",
            groups.replace([':', ','], ".")
        )
        .unwrap();
    }
    writeln!(lines, "Absent;Engine:51-255,Target:1,IconGroup1:*;0;00112233445566").unwrap();
    let sets = [("a.idb", icons.as_str()), ("a.ldb", lines.as_str())];
    let found = compare(&sets, &folder.path().join("files"), &[]);
    let told: usize = found.values().map(std::collections::BTreeSet::len).sum();
    assert!(found.len() > 10 && told > 100 && told < 700, "{told} in {}", found.len());
}

/// `This program`, which stands in every program.
const STUB: &str = "546869732070726f6772616d";

/// Programs with variants of two icons, and the forms that clamscan tells of them.
const MAKE: &str = r#"
mkdir files database
printf 'A:G:H:20%s%s%s%s%s%s21222464\n' $(for n in fe8 fe8 ff ff ff ff; do printf '%s0001%s0001%s0001 ' $n $n $n; done) > database/a.idb
printf 'L;Engine:51-255,Target:1,IconGroup1:G;0;546869732070726f6772616d\n' > database/a.ldb
echo 'int main(void) { return 0; }' > a.c
x86_64-w64-mingw32-gcc -c a.c -o a.o
cat > make.py <<'END'
import random, re, struct, subprocess
random.seed(5)
def icon(side, shift, noise, tint, colours):
    random.seed(colours)
    blocks = [(random.randrange(32), random.randrange(32), random.randrange(4, 16), [random.randrange(256) for _ in range(3)]) for _ in range(9)]
    if colours % 3 == 0:
        blocks = [(a, b, c, [d[0]] * 3) for a, b, c, d in blocks]
    rows = b''
    for y in reversed(range(side)):
        for x in range(side):
            one = [230, 230, 230]
            for left, top, size, other in blocks:
                if left <= x * 32 // side + shift < left + size and top <= y * 32 // side < top + size:
                    one = other
            one = [min(255, max(0, part + random.randrange(-noise, noise + 1) + tint)) for part in one]
            rows += bytes(one)
    return struct.pack('<IIIHHIIIIII', 40, side, side * 2, 1, 24, 0, 0, 0, 0, 0, 0) + rows + bytes((side + 31) // 32 * 4 * side)
variants = [(side, shift, noise, tint, colours) for colours in (1, 2, 3) for side in (16, 32, 48) for shift, noise, tint in ((0, 0, 0), (1, 0, 0), (2, 12, 0), (0, 40, 30))]
lines = []
for number, variant in enumerate(variants):
    data = icon(*variant)
    side = variant[0]
    open('a.ico', 'wb').write(struct.pack('<HHHBBBBHHII', 0, 1, 1, side, side, 0, 0, 1, 24, len(data), 22) + data)
    open('a.rc', 'w').write('1 ICON "a.ico"\n')
    subprocess.run('x86_64-w64-mingw32-windres a.rc icon.o'.split(), check=True)
    subprocess.run(f'x86_64-w64-mingw32-gcc -s -o files/{number}.exe a.o icon.o'.split(), check=True)
    if number % 3 == 0:
        out = subprocess.run(f'clamscan --debug -d database files/{number}.exe'.split(), capture_output=True, text=True).stderr
        form = re.search(r'IDB SIGNATURE: \S*:(\w+)', out).group(1)
        lines.append(f'Icon:G{len(lines)}:H{len(lines) % 3}:{form}\n')
open('a.idb', 'w').write(''.join(lines))
END
python3 make.py
"#;

#[test]
fn types_that_signatures_tell_are_looked_into_as_by_clamscan() {
    if !are_there("types_that_signatures_tell_are_looked_into_as_by_clamscan", &["clamscan", "zip"])
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let make = r#"
        mkdir files
        echo 'a marker in a member' > member; zip -q in.zip member
        (echo 'odd archive'; cat in.zip) > files/odd
        (echo 'odd mail, From: a'; echo; echo 'a marker') > files/mail
        echo 'odd page with a <B>MARKER</B> in it' > files/page
        echo 'plain marker' > files/plain
    "#;
    shell(folder.path(), make);
    let sets = [
        (
            "a.ldb",
            "Archive;Engine:51-255,Target:0,HandlerType:CL_TYPE_ZIP;0;6f64642061726368697665\n\
             Mail;Engine:51-255,Target:0,HandlerType:CL_TYPE_MAIL;0;6f6464206d61696c\n\
             Page;Engine:51-255,Target:0,HandlerType:CL_TYPE_HTML;0;6f64642070616765\n\
             In.zip;Engine:51-255,Target:0,Container:CL_TYPE_ZIP;0;6d61726b6572\n",
        ),
        (
            "a.ndb",
            "All:0:*:6d61726b6572\nMail.body:4:*:6d61726b6572\nPage.body:3:*:3c623e6d61726b6572\n",
        ),
    ];
    let found = compare(&sets, &folder.path().join("files"), &[]);
    assert!(found["mail"].contains("Mail.body.UNOFFICIAL"), "{found:?}");
    assert!(found["page"].contains("Page.body.UNOFFICIAL"), "{found:?}");
    let (report, _) = scan(&sets, &std::fs::read(folder.path().join("files/odd")).unwrap());
    assert!(report.is_complete(), "{:?}", report.not_scanned);
}
