use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(pattern: &str, path: &str, expected: bool) {
    let glob = Glob::parse(pattern).expect(pattern);
    assert_eq!(glob.matches(path.as_bytes()), expected, "{pattern} against {path}");
}

#[test]
fn double_star_matches_any_depth_also_none() {
    check("/x/**", "/x", true);
    check("/x/**", "/x/y", true);
    check("/x/**", "/x/y/z", true);
    check("/x/**", "/xy", false);
    check("/x/**/z", "/x/z", true);
    check("/x/**/z", "/x/a/b/z", true);
    check("/x/**/z", "/x/a/b/zz", false);
    check("/**", "/", true);
    check("/**", "/anything/at/all", true);
    check("/**/a/**/b", "/b/a/c/a/b", true);
}

#[test]
fn single_star_stays_within_its_segment() {
    check("/x/*", "/x/y", true);
    check("/x/*", "/x/.hidden", true);
    check("/x/*", "/x/y/z", false);
    check("/x/*", "/x", false);
    check("/x/*.log", "/x/.log", true);
    check("/x/a*b*c", "/x/aXXbYYbZc", true);
    check("/x/a*b*c", "/x/aXXbYYbZ", false);
}

#[test]
fn question_mark_and_sets_match_one_byte() {
    check("/a?", "/ab", true);
    check("/a?", "/a", false);
    check("/a??", "/aé", true);
    check("/a?", "/aé", false);
    check("/[a-c]", "/b", true);
    check("/[!a-c]", "/b", false);
    check("/[!a-c]", "/d", true);
    check("/[\\]\\-x]", "/-", true);
}

#[test]
fn letters_are_compared_exactly() {
    check("/Etc", "/etc", false);
    check("/", "/", true);
    check("/", "/x", false);
    check("/a\\*b", "/a*b", true);
    check("/a\\*b", "/axb", false);
}

#[test]
fn names_that_are_no_text_can_be_written_and_matched() {
    let glob = Glob::parse("/a\\xff*").expect("a glob");
    assert!(glob.matches(b"/a\xff\xfe"));
    assert!(!glob.matches(b"/a\xfe"));
}

#[test]
fn paths_that_are_not_canonical_match_nothing() {
    for path in ["", "x", "x/y", "//", "/x/", "/x//y", "/x/./y", "/x/../y", "/.", "/.."] {
        check("/**", path, false);
    }
}

#[test]
fn refuses_patterns_that_cannot_be_meant() {
    let check = |pattern: &str, expected: GlobError| {
        assert_eq!(Glob::parse(pattern), Err(expected), "{pattern}");
    };
    check("", GlobError::NotAbsolute);
    check("x/**", GlobError::NotAbsolute);
    check("//x", GlobError::EmptySegment);
    check("/x/", GlobError::EmptySegment);
    check("/x/../y", GlobError::DotSegment("..".to_owned()));
    check("/x/a**", GlobError::DoubleStarInSegment);
    check("/x/***", GlobError::DoubleStarInSegment);
    check("/x/[", GlobError::BadSet);
    check("/x/[]", GlobError::BadSet);
    check("/x/[z-a]", GlobError::BadSet);
    check("/x/[é]", GlobError::BadSet);
    check("/x\\", GlobError::BadEscape);
    check("/x\\xf", GlobError::BadEscape);
    check("/x\\x+1", GlobError::BadEscape);
    check("/x\\x00", GlobError::ImpossibleByte);
    check("/x\\x2fy", GlobError::ImpossibleByte);
    check("/x\\/y", GlobError::BadEscape);
    check("/{home}", GlobError::Brace);
    check(&format!("/{}", "x".repeat(4096)), GlobError::TooLong { bytes: 4097 });
}

#[test]
fn says_which_claim_matched() {
    let claims = PathClaims::parse(["/etc/**", "/etc/passwd", "/var/*"]).expect("globs");
    assert_eq!(claims.find(b"/etc/passwd").map(Glob::as_str), Some("/etc/**"));
    assert_eq!(claims.find(b"/var/x").map(Glob::as_str), Some("/var/*"));
    assert_eq!(claims.find(b"/var/x/y"), None);
}

/// A pattern whose stars force the most coming back must stay within pattern × path steps: a
/// matcher that tries every combination would not end within the age of the universe.
#[test]
fn stays_fast_on_patterns_made_to_be_slow() {
    let pattern = format!("/{}b", "a*".repeat(2000));
    let path = format!("/{}", "a".repeat(4000));
    check(&pattern, &path, false);
    let deep_pattern = format!("{}/b", "/**/a".repeat(800));
    let deep_path = "/a".repeat(2000);
    check(&deep_pattern, &deep_path, false);
}

/// The meaning of the table above, word for word and without a thought for speed.
fn naive(pattern: &[Segment], path: &[&[u8]]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((Segment::AnyDepth, rest)), None) => naive(rest, path),
        (Some((Segment::AnyDepth, rest)), Some((_, shorter))) => {
            naive(rest, path) || naive(pattern, shorter)
        }
        (Some((Segment::Name(tokens), rest)), Some((name, shorter))) => {
            naive_name(tokens, name) && naive(rest, shorter)
        }
        _ => false,
    }
}

fn naive_name(tokens: &[Token], name: &[u8]) -> bool {
    match (tokens.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((Token::AnyRun, rest)), None) => naive_name(rest, name),
        (Some((Token::AnyRun, rest)), Some((_, shorter))) => {
            naive_name(rest, name) || naive_name(tokens, shorter)
        }
        (Some((token, rest)), Some((byte, shorter))) => {
            token.matches(*byte) && naive_name(rest, shorter)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn agrees_with_the_naive_matcher(
        pattern in "(/(\\*\\*|[ab*?]{1,5}|\\[!?ab?\\]{1,2}a?)){0,6}",
        path in "(/[ab]{1,4}){0,7}",
    ) {
        let pattern = if pattern.is_empty() { "/".to_owned() } else { pattern };
        let path = if path.is_empty() { "/".to_owned() } else { path };
        if let Ok(glob) = Glob::parse(&pattern) {
            let segments = path_segments(path.as_bytes()).expect("canonical");
            prop_assert_eq!(glob.matches(path.as_bytes()), naive(&glob.segments, &segments));
        }
    }

    #[test]
    fn an_escaped_path_matches_itself_alone(
        path in proptest::collection::vec(
            proptest::collection::vec(any::<u8>().prop_filter("a name", |byte| *byte != 0 && *byte != b'/'), 1..6), 1..5),
        other in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let path: Vec<u8> = path.iter().flat_map(|name| [b"/", name.as_slice()].concat()).collect();
        prop_assume!(path_segments(&path).is_some());
        let glob = Glob::parse(&escape_glob(&path)).expect("an escaped path is a glob");
        prop_assert!(glob.matches(&path));
        prop_assert_eq!(glob.matches(&other), other == path);
    }

    #[test]
    fn any_text_gives_a_glob_or_an_error(pattern in "\\PC{0,40}", path in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(glob) = Glob::parse(&pattern) {
            let _ = glob.matches(&path);
        }
    }
}
