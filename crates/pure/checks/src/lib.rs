//! Holds events against claims.
