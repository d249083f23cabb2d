//! `docs/product-file.md` says what the reader does.

#![allow(clippy::disallowed_methods, reason = "a test reads the files that it compares")]

use std::collections::BTreeSet;

use watchglass_claims::{Code, LOADER, Product, TRUST, accepted_keys};

const DOCUMENT: &str = include_str!("../../../../docs/product-file.md");

#[test]
fn every_accepted_key_is_explained_under_its_table_and_no_other() {
    let tables: BTreeSet<&str> = accepted_keys().map(|(table, _)| table).collect();
    for table in tables {
        let section = section_of(table);
        let explained: BTreeSet<&str> = section.lines().filter_map(first_cell).collect();
        let accepted: BTreeSet<&str> =
            accepted_keys().filter(|(of, _)| *of == table).map(|(_, key)| key).collect();
        assert_eq!(explained, accepted, "{table}");
    }
}

#[test]
fn every_code_is_explained() {
    let section = DOCUMENT.split_once("\n## Codes\n").expect("the section").1;
    let explained: Vec<&str> = section.lines().filter_map(first_cell).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(explained, codes);
}

#[test]
fn the_lists_of_placeholders_are_those_of_the_code() {
    let blocks: Vec<Vec<&str>> = fenced("text").map(|block| block.lines().collect()).collect();
    assert!(blocks.contains(&LOADER.to_vec()) && blocks.contains(&TRUST.to_vec()));
}

#[test]
fn the_example_is_a_product_file() {
    let example = fenced("toml").next().expect("an example");
    assert!(Product::parse(example).is_ok());
}

fn section_of(table: &str) -> &'static str {
    let (_, from) = DOCUMENT.split_once(&format!("\n### {table}\n")).expect(table);
    from.split("\n##").next().unwrap_or_default()
}

/// The first cell of a row of a table, where it is one word of code.
fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split_once("` |").map(|(key, _)| key)
}

fn fenced(language: &str) -> impl Iterator<Item = &'static str> {
    let opening = format!("```{language}\n");
    DOCUMENT
        .match_indices(&opening)
        .map(|(at, found)| DOCUMENT.get(at + found.len()..).unwrap_or_default())
        .filter_map(|from| from.split_once("\n```").map(|(block, _)| block))
        .collect::<Vec<_>>()
        .into_iter()
}
