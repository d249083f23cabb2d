//! The product file of the honest reference product.

use watchglass_claims::Product;
use watchglass_specimens::{Configuration, Mode};

const FILE: &str = include_str!("../../products/reference.toml");

#[test]
fn the_reference_product_is_read_and_has_no_mode() {
    let product = Product::parse(FILE).unwrap_or_else(|problems| panic!("{problems:?}"));
    let configuration = Configuration::parse(&product.configuration[0].content).unwrap();
    assert!(matches!(configuration.mode, Mode::Referee));
    let claimed = &product.domains["updater"].contacts;
    assert_eq!(claimed[0].host.to_string(), configuration.parameters.update_host());
}

#[test]
fn no_domain_of_the_reference_product_both_reads_bait_and_has_a_network() {
    let product = Product::parse(FILE).unwrap_or_else(|problems| panic!("{problems:?}"));
    for (name, domain) in &product.domains {
        let reads_bait = domain.reads.iter().any(|glob| glob.starts_with("{bait}"));
        assert!(!(reads_bait && domain.has_network()), "{name}");
    }
    assert!(product.phases.iter().any(|phase| phase.lasts.is_some()));
}
