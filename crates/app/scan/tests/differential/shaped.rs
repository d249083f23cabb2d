//! Signatures of ways of writing that the real sets seldom use.
//!
//! Macros are not among them: with them clamscan 1.4.6 breaks off by a segmentation fault.
//!
//! Each has marks of eight bytes of its own, so that it is found where it was put and nowhere else.

use std::fmt::Write as _;

use watchglass_synth::{Dice, Palette};

/// Signatures for each shape.
const EACH: usize = 6;

/// A `.ndb` and a `.ldb`.
pub(crate) fn sets(seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut dice = Dice(seed ^ 0x7368_6170);
    let (mut bodies, mut expressions) = (String::new(), String::new());
    for target in 0..=12 {
        bodies_for(target, &mut dice, &mut bodies);
        if target != 8 {
            expressions_for(target, &mut dice, &mut expressions);
        }
    }
    vec![
        ("made.ndb".to_owned(), bodies.into_bytes()),
        ("made.ldb".to_owned(), expressions.into_bytes()),
    ]
}

/// Bytes that stand nowhere by chance, in hexadecimal; letters where the normal form is of texts.
fn mark(target: u8, dice: &mut Dice) -> String {
    let bytes = match target {
        3 | 4 | 7 => dice.filler(12, Palette::Text),
        _ => dice.draw().to_be_bytes().to_vec(),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `M` stands for a mark.
const BODIES: [&str; 13] = [
    "M",
    "MM",
    "M{3-7}M",
    "M*M",
    "M{-9}M",
    "M{4-}M",
    "M(6161|6262|636363)M",
    "M!(6161|6262)M",
    "M??M",
    "M6?M",
    "M?1M",
    "M[1-4]61",
    "61[2-5]M",
];
const CLASSES: [&str; 5] = ["(B)M", "M(W)", "(L)M(B)", "M(W)M", "(W)M!(B)"];
const OF_ALL: [&str; 4] = ["*", "EOF-40", "EOF-60,20", "200,30"];
const OF_PROGRAMS: [&str; 12] = [
    "EP+0", "EP+33", "EP+5,40", "EP-9", "EP-70,20", "S0+0", "S1+7", "S2+3,10", "SE0", "SE1",
    "SL+0", "SL+21,4",
];

fn is_program(target: u8) -> bool {
    matches!(target, 1 | 6 | 9)
}

fn filled(shape: &str, target: u8, dice: &mut Dice) -> String {
    let piece = |letter: char| match letter {
        'M' => mark(target, dice),
        other => other.to_string(),
    };
    shape.chars().map(piece).collect()
}

fn offsets(target: u8) -> Vec<&'static str> {
    let of_programs = OF_PROGRAMS.iter().filter(|_| is_program(target));
    OF_ALL.iter().chain(of_programs).copied().collect()
}

fn bodies_for(target: u8, dice: &mut Dice, into: &mut String) {
    let mut number = 0;
    let mut line = |offset: &str, body: &str| {
        writeln!(into, "Made.Body-{target}-{number}:{target}:{offset}:{body}").unwrap();
        number += 1;
    };
    for shape in BODIES.iter().chain(&CLASSES) {
        for _ in 0..EACH / 2 {
            line("*", &filled(shape, target, dice));
        }
    }
    for offset in offsets(target) {
        for _ in 0..EACH {
            let shape = dice.pick(&BODIES).unwrap();
            line(offset, &filled(shape, target, dice));
        }
    }
    if target == 1 {
        for _ in 0..EACH {
            let value = mark(7, dice);
            let wide: String = value.as_bytes().chunks(2).map(pair_and_zero).collect();
            // `CompanyName`, its end, padding, and the value.
            let key = "43006f006d00700061006e0079004e0061006d00650000000000";
            line("VI", &format!("{key}{wide}"));
        }
    }
}

fn pair_and_zero(pair: &[u8]) -> String {
    format!("{}00", String::from_utf8_lossy(pair))
}

/// Expressions, and how many sub-signatures they have.
const LOGIC: [(&str, usize); 16] = [
    ("0", 1),
    ("0&1", 2),
    ("0|1", 2),
    ("0>2", 1),
    ("0=3", 1),
    ("0&(1=0)", 2),
    ("0&1>1", 2),
    ("(0|1|2)>3,2", 3),
    ("(0|1|2)=2,2", 3),
    ("0&((1|2)<3)", 3),
    ("(0&1)=4", 2),
    ("(0&1)>2", 2),
    ("(0&1)|(2&3)", 4),
    ("((0|1)&(2|3))>3", 4),
    ("0&(1<3)", 2),
    ("(0|1)>1,2&(2|3)", 4),
];
const CONDITIONS: [&str; 3] = ["", "FileSize:3000-9000,", "FileSize:0-4500,"];
const OF_PROGRAM_FILES: [&str; 3] =
    ["NumberOfSections:3-5,", "EntryPoint:1000-2000,", "NumberOfSections:2-2,EntryPoint:0-90000,"];
/// Byte comparisons near sub-signature 0, whose mark has eight bytes.
const COMPARISONS: [&str; 16] = [
    "0(>>8#il4#>100)",
    "0(>>8#ib4#=77)",
    "0(>>10#il2#<9,>3)",
    "0(>>8#ib1#=200)",
    "0(>>16#ib8#>5)",
    "0(<<4#il4#=305419896)",
    "0(<<1#il1#>250)",
    "0(>>8#hbe4#=0x1f2e)",
    "0(>>9#hl4#=0x1234)",
    "0(>>8#hb6#>100)",
    "0(>>8#de3#=123)",
    "0(>>12#d5#>20000)",
    "0(>>8#abe4#=1234)",
    "0(<<6#de2#<50)",
    "0(>>8#i1#=200)",
    "0(>>8#ae4#=1234)",
];
/// Regular expressions whose trigger is sub-signature 0; `N` is the number of the signature.
const REGEXES: [&str; 14] = [
    "0/begNend/",
    "0/begN[a-f]{3,9}end/i",
    "0/(alpha|beta)N(gamma)?x/",
    "0/begN.{2,20}end/s",
    "0/begN\\d+\\.\\d+/g",
    "0/^begN\\s+end$/m",
    "10:0/begNend/r",
    "0,4000:0/begNend/e",
    "0/begN[^a]b+c*d?e/",
    "0/\\xd0\\xceN\\x00{2}/",
    "0/begN\\w{4}[[:digit:]]{2}/",
    "0/(?i)begN(?:a|b|c)+z/",
    "0/ beg N end /x",
    "0/begN(a(b(c)))+end/U",
];
const MODIFIERS: [&str; 6] = ["", "::i", "::w", "::f", "::wa", "::iwa"];

fn expressions_for(target: u8, dice: &mut Dice, into: &mut String) {
    let mut number = 0;
    let mut line = |conditions: &str, logic: &str, subsignatures: &[String]| {
        let name = format!("Made.Logical-{target}-{number}");
        let conditions = format!("Engine:81-255,{conditions}Target:{target}");
        writeln!(into, "{name};{conditions};{logic};{}", subsignatures.join(";")).unwrap();
        number += 1;
    };
    for (logic, count) in LOGIC {
        for _ in 0..EACH {
            let subsignatures: Vec<String> =
                (0..count).map(|_| subsignature(target, dice)).collect();
            let all: Vec<&str> = if is_program(target) {
                CONDITIONS.iter().chain(&OF_PROGRAM_FILES).copied().collect()
            } else {
                CONDITIONS.to_vec()
            };
            let conditions = dice.pick(&all).unwrap();
            line(conditions, logic, &subsignatures);
        }
    }
    for comparison in COMPARISONS {
        line("", "0&1", &[mark(0, dice), comparison.to_owned()]);
    }
    for (at, regex) in REGEXES.iter().enumerate() {
        let own = format!("n{target}x{at}");
        line("", "0&1", &[mark(target, dice), regex.replace('N', &own)]);
    }
}

fn subsignature(target: u8, dice: &mut Dice) -> String {
    let shape = dice.pick(&["M", "M", "M??M", "M{2-5}M", "M(61|62)M"]).unwrap();
    let body = filled(shape, target, dice);
    let modifier = if dice.one_in(2) { dice.pick(&MODIFIERS).unwrap() } else { "" };
    let all = offsets(target);
    let offset =
        if dice.one_in(4) { format!("{}:", dice.pick(&all).unwrap()) } else { String::new() };
    format!("{offset}{body}{modifier}")
}
