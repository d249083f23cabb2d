//! Turns results into pages for people.
