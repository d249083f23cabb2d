//! Records what a subject does.
