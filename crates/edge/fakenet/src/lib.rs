//! Plays the internet for a subject.
