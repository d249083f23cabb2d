//! Files that once cost work that no limit counted: each now ends soon, or at the limit of steps.
#![allow(clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests take time")]

mod common;

use std::time::{Duration, Instant};

use common::compound::{Order, compound};
use watchglass_unpack::{Budget, ContainerKind, Limits};

/// Debug builds on a busy machine included; each took minutes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Unpacks, patiently; says how many steps were paid.
fn steps(kind: ContainerKind, bytes: &[u8]) -> u64 {
    let (budget, start) = (Budget::new(Limits::CLAMAV, bytes.len(), &|| false), Instant::now());
    common::collect(kind, bytes, &budget);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    budget.steps()
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

/// Each beginning was held against each sheet: 131 billion times here.
#[test]
fn beginnings_of_sheets_are_not_multiplied_by_sheets() {
    let sheet = |place: u32| record(0x85, &[&place.to_le_bytes()[..], &[0, 0, 0, 0]].concat());
    let mut book: Vec<u8> = (1 << 24..(1 << 24) + 65_535).flat_map(sheet).collect();
    (0..2_000_000).for_each(|_| book.extend(record(0x809, &[])));
    steps(ContainerKind::Ole2, &compound(3, Order::Straight, &[("Workbook", &book)]));
}

/// A token of five bytes copies a name of 255.
#[test]
fn names_in_formulas_are_paid_for() {
    let name = [&[0, 0, 0, 255, 0, 0][..], &[0; 8], &[0], &[b'n'; 255]].concat();
    let token = [0x23, 1, 0, 0, 0].repeat(10_000);
    let formula = [&[0; 20][..], &(token.len() as u16).to_le_bytes(), &token].concat();
    let book = [
        record(0x809, &[0, 6, 0x40, 0]),
        record(0x18, &name),
        (0..8).flat_map(|_| record(0x06, &formula)).collect(),
    ];
    let file = compound(3, Order::Straight, &[("Workbook", &book.concat())]);
    let copied = 8 * 10_000 * 255;
    assert!(steps(ContainerKind::Ole2, &file) > copied / 4096);
}

/// Each file of a specification had its name decoded.
#[test]
fn a_name_of_a_megabyte_is_read_once() {
    let files = "/a 2 0 R ".repeat(60_000);
    let pdf = format!(
        "%PDF-1.7\n1 0 obj<</UF({})/EF<<{files}>>>>endobj\n2 0 obj<<>>endobj\n%%EOF",
        "n".repeat(1 << 20)
    );
    steps(ContainerKind::Pdf, pdf.as_bytes());
}

/// The end of a stream far away was looked for again and again, between streams that end nearby.
#[test]
fn ends_far_away_are_paid_for() {
    // Objects of which every other reaches, in a string, to a place that lies before the far end.
    let near = "1 0 obj<<>>stream\n2 0 obj<</A(".repeat(500);
    let close = ")".repeat(500);
    let far = "x".repeat(32 << 20);
    let pdf = format!("%PDF-1.7\n{near}endstream {close}>>stream\n{far}endstream endobj\n%%EOF");
    let plain = format!("%PDF-1.7\n1 0 obj<<>>stream\n{far}endstream endobj\n%%EOF");
    let (paid, once) =
        (steps(ContainerKind::Pdf, pdf.as_bytes()), steps(ContainerKind::Pdf, plain.as_bytes()));
    assert!(paid > 20 * once, "{paid} against {once}");
}

/// Keys were tried with every identifier, which some do not depend on, and nobody paid for the hashes.
#[test]
fn keys_that_are_tried_are_paid_for() {
    let string = |length: usize| format!("<{}>", "ab".repeat(length));
    let encrypts: String = (0..16)
        .map(|number| {
            let text = string(48);
            format!(
                "trailer<</ID[<{number:02x}>]/Encrypt<</Filter/Standard/V 5/R 6/N {number}\
                 /O{text}/U{text}/OE{text}/UE{text}>>>>\n"
            )
        })
        .collect();
    let pdf = format!("%PDF-1.7\n1 0 obj<<>>endobj\n{encrypts}%%EOF");
    let paid = steps(ContainerKind::Pdf, pdf.as_bytes());
    assert!((16 * 512..17 * 512 + 100).contains(&paid), "{paid}");
}

/// A line was held against boundary after boundary, each a letter shorter.
#[test]
fn boundaries_that_are_compared_are_paid_for() {
    let mut mail = String::from("From: a@example.org\n\n");
    for length in 0..250 {
        let boundary = "a".repeat(length);
        mail += &format!("--\nContent-Type: multipart/mixed; boundary=\"{boundary}!\"\n\n");
    }
    let start = mail.len();
    mail += &format!("--{}\n", "a".repeat(250)).repeat(4_000);
    let paid = steps(ContainerKind::Mail, mail.as_bytes());
    let four_readers = 4 * (mail.len() - start) as u64 / 4096;
    assert!(paid > 20 * four_readers, "{paid} against {four_readers}");
}

/// Decoders that make nothing were not paid.
#[test]
fn what_decodes_to_nothing_is_paid_for() {
    let megabytes = 4 << 20;
    let breaks = "=\n".repeat(megabytes / 2);
    let mail = format!("Content-Transfer-Encoding: quoted-printable\n\n{breaks}");
    let paid = steps(ContainerKind::Mail, mail.as_bytes());
    // Four readers, one decoder.
    assert!(paid >= 5 * 1024, "{paid}");
    let letters = "~".repeat(megabytes);
    let text = format!("(This file must be converted with BinHex 4.0)\n\n:{letters}:");
    let paid = steps(ContainerKind::BinHex, text.as_bytes());
    assert!(paid >= 1024, "{paid}");
}
