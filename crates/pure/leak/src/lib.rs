//! Plants data that can be recognised under its transforms.
