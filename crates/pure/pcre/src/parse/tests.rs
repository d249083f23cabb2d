use super::*;

fn read(pattern: &str) -> Result<Node, ExpressionError> {
    parse(pattern.as_bytes(), Options::default()).map(|(node, _)| node)
}

#[test]
fn different_spellings_of_one_pattern_are_one_tree() {
    for (one, other) in [
        (r"\x41", "A"),
        (r"\101", "A"),
        (r"(?i)a", "[aA]"),
        (r"\Qa.b\E", r"a\.b"),
        (r"\Qab\E+", "ab+"),
        ("(?x) a  b #c", "ab"),
        ("(?U)a*", "a*?"),
        ("[[:digit:]]", r"\d"),
        ("[]a]", r"[\]a]"),
        ("(?:a(?i)b)c", "(?:a[bB])c"),
        ("a(?#c)b", "ab"),
        (r"a(?#c)\E+(?#c)?", "a+?"),
        (r"\Qa|(\E", r"a\|\("),
        ("(?i:(?^)a)b", "ab"),
        ("(?xx)[a b] c", "[ab]c"),
        ("(?n)(a)", "a"),
        (r"(a)\g{-1}", r"(a)\1"),
        (r"(?<n>a)\k{n}", r"(a)\1"),
    ] {
        assert_eq!(read(one).unwrap(), read(other).unwrap(), "{one} {other}");
    }
    assert_ne!(read("a++").unwrap(), read("a+").unwrap());
    assert_ne!(read("a{,3}").unwrap(), read("a{0,3}").unwrap());
}

#[test]
fn refuses_what_is_no_pattern_and_names_what_is_not_supported() {
    for pattern in [
        "(", ")", "[", "*", "[b-a]", "a{3,2}", r"\2(a)", r"\x{100}", "(?<n", r"\y", "[[:x:]]",
        "a**", "a{2}{3}", "^*", "[a-\\d]", "{1}",
    ] {
        assert!(matches!(read(pattern), Err(ExpressionError::Syntax { .. })), "{pattern}");
    }
    for pattern in ["(?R)", "(*FAIL)", "(?C1)", "(?(1)a)", r"\p{L}", "(?|a)", "(?J)(?<a>b)"] {
        assert!(matches!(read(pattern), Err(ExpressionError::Unsupported { .. })), "{pattern}");
    }
    let deep = "(".repeat(5_000);
    assert!(matches!(read(&deep), Err(ExpressionError::OverLimit { field: "depth", .. })));
}
