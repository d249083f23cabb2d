//! Icons are measured as clamscan measures them.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "tests read files and start programs"
)]

use std::fmt::Write as _;
use std::process::Command;

use watchglass_formats::pe::Pe;
use watchglass_icons::{Metrics, Spot};

#[test]
fn icons_are_measured_as_by_clamscan() {
    let test = "icons_are_measured_as_by_clamscan";
    for program in ["clamscan", "python3", "x86_64-w64-mingw32-windres", "x86_64-w64-mingw32-gcc"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: {test}: {program} is not installed");
            assert!(std::env::var_os("WATCHGLASS_STRICT").is_none(), "{test}: {program}");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new("sh").args(["-ec", MAKE]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut same = 0;
    for number in 0..PROGRAMS {
        let path = folder.path().join(format!("{number}.exe"));
        let theirs = clamscan(folder.path(), &path);
        let bytes = std::fs::read(&path).unwrap();
        let pe = Pe::parse(&bytes).unwrap();
        let ours: Vec<_> = pe.icons().into_iter().filter_map(Metrics::of).map(hash).collect();
        assert_eq!(ours.len(), theirs.len(), "{number}");
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "program {number}, icon {place}");
            same += 1;
        }
    }
    assert!(same > 100, "{same}");
}

/// The forms that clamscan tells of the icons of a program.
fn clamscan(folder: &std::path::Path, path: &std::path::Path) -> Vec<String> {
    let output = Command::new("clamscan")
        .args(["--debug", "--database"])
        .arg(folder.join("database"))
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let hashes = text.lines().filter_map(|line| line.split_once("IDB SIGNATURE: "));
    hashes.map(|(_, line)| line.rsplit(':').next().unwrap().to_owned()).collect()
}

/// As a `.idb` has it.
fn hash(metrics: Metrics) -> String {
    let mut text = format!("{:02x}", metrics.side);
    let mut add = |spots: [Spot; 3], digits: usize| {
        for Spot { average, x, y } in spots {
            write!(text, "{average:0digits$x}{x:02x}{y:02x}").unwrap();
        }
    };
    add(metrics.color, 3);
    add(metrics.gray, 3);
    for spots in [metrics.bright, metrics.dark, metrics.edge, metrics.no_edge] {
        add(spots, 2);
    }
    metrics.spread.iter().for_each(|share| write!(text, "{share:02x}").unwrap());
    text
}

const PROGRAMS: usize = 5;

/// Programs with icons of many sizes, depths and patterns.
const MAKE: &str = r#"
mkdir database
spots() { printf '%s0001%s0001%s0001' $1 $1 $1; }
printf 'A:G:H:20%s%s%s%s%s%s21222464\n' $(spots fe8) $(spots fe8) $(spots ff) $(spots ff) $(spots ff) $(spots ff) > database/a.idb
printf 'L;Engine:51-255,Target:1,IconGroup1:G;0;546869732070726f6772616d\n' > database/a.ldb
echo 'int main(void) { return 0; }' > a.c
x86_64-w64-mingw32-gcc -c a.c -o a.o
cat > make.py <<'END'
import random, struct
random.seed(11)
SIDES = [(16, 16), (24, 24), (32, 32), (48, 48), (64, 64), (72, 72), (96, 96), (128, 128), (20, 20), (28, 28), (33, 33), (40, 40), (100, 100), (18, 16), (32, 40), (60, 50), (144, 144), (168, 168), (17, 17), (256, 256)]
def pattern(kind, width, height):
    base = [random.randrange(256) for _ in range(9)]
    blocks = [(random.randrange(width), random.randrange(height), random.randrange(2, width), [random.randrange(256) for _ in range(3)]) for _ in range(8)]
    def pixel(x, y):
        if kind == 'noise':
            return [random.randrange(256) for _ in range(3)]
        if kind == 'grey':
            level = (x * base[0] // width + y * base[1] // height) & 255
            return [level] * 3
        if kind == 'flat':
            return base[:3]
        if kind == 'ramp':
            return [(base[0] + x * 255 // width) & 255, (base[1] + y * 255 // height) & 255, base[2]]
        colour = base[3:6] if kind == 'blocks' else [base[3]] * 3
        for left, top, side, other in blocks:
            if left <= x < left + side and top <= y < top + side // 2:
                colour = other if kind == 'blocks' else [other[0]] * 3
        return colour
    return pixel
def image(width, height, depth, kind):
    pixel = pattern(kind, width, height)
    head = struct.pack('<IIIHHIIIIII', 40, width, height * 2, 1, depth, 0, 0, 0, 0, 0, 0)
    palette = b''
    colours = []
    if depth <= 8:
        grey = kind in ('grey', 'steps')
        for _ in range(1 << depth):
            one = [random.randrange(256)] * 3 if grey else [random.randrange(256) for _ in range(3)]
            colours.append(one)
            palette += bytes(one) + b'\0'
    rows = b''
    alpha = random.choice(['none', 'full', 'some'])
    for y in reversed(range(height)):
        row = bytearray((width * depth + 31) // 32 * 4)
        for x in range(width):
            one = pixel(x, y)
            if depth <= 8:
                index = sum(one) * (1 << depth) // 766
                bit = x * depth
                row[bit // 8] |= index << (8 - depth - bit % 8)
            elif depth == 16:
                struct.pack_into('<H', row, x * 2, one[2] >> 3 | one[1] >> 3 << 5 | one[0] >> 3 << 10)
            elif depth == 24:
                row[x * 3:x * 3 + 3] = bytes(reversed(one))
            else:
                opacity = {'none': 0, 'full': 255, 'some': (x * 37 + y * 11) & 255}[alpha]
                row[x * 4:x * 4 + 4] = bytes(reversed(one)) + bytes([opacity])
        rows += bytes(row)
    mask = b''
    for y in range(height):
        row = bytearray((width + 31) // 32 * 4)
        if random.random() < .5:
            for x in range(0, width, random.randrange(1, 9)):
                row[x // 8] |= 0x80 >> x % 8
        mask += bytes(row)
    return head + palette + rows + mask
for number in range(5):
    icons = []
    kinds = ['noise', 'grey', 'flat', 'ramp', 'blocks', 'steps']
    for place in range(30):
        width, height = SIDES[(number * 30 + place) % len(SIDES)]
        if width > 128 and place % 3:
            width, height = 32, 32
        icons.append((width, height, image(width, height, [1, 4, 8, 16, 24, 32][place % 6], random.choice(kinds))))
    offset = 6 + 16 * len(icons)
    table, body = struct.pack('<HHH', 0, 1, len(icons)), b''
    for width, height, data in icons:
        table += struct.pack('<BBBBHHII', width & 255, height & 255, 0, 0, 1, struct.unpack_from('<H', data, 14)[0], len(data), offset + len(body))
        body += data
    open(f'{number}.ico', 'wb').write(table + body)
    open(f'{number}.rc', 'w').write(f'1 ICON "{number}.ico"\n')
END
python3 make.py
for number in 0 1 2 3 4; do
    x86_64-w64-mingw32-windres $number.rc $number.o
    x86_64-w64-mingw32-gcc -s -o $number.exe a.o $number.o
done
"#;
