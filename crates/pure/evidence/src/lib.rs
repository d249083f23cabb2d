//! Tells whether a bundle is whole, with the name of its signer.
