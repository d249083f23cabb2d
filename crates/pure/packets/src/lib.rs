//! Turns captured packets into flows.
