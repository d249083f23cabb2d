//! Builds the world that a subject lives in.
