//! Plays the internet for a subject.
//!
//! The fake internet is a process of its own in network, mount and pid namespaces of its own, joined
//! to the subject's network namespace by one veth. It has no other link and forwards nothing, so
//! what a subject sends ends there, unless the real network is asked for: then it is passed on. On its side of the link every frame is captured, and every port
//! of every address is answered: DNS, HTTP, TLS with certificates of the lab's authority, and for
//! the rest a sink that reads and records. A [`Scenario`] says how it plays the vendor.
//!
//! Where no namespace can be had, [`FakeInternet::start_in_place`] listens on 127.0.0.1 instead, for
//! traffic that the tracer of the subject turns there; a seccomp filter and Landlock then keep the
//! process from dialling and from every file.
//!
//! [`FakeInternet::start`] starts it; the program that it starts calls [`process_main`]. When the lab
//! ends, for whatever reason, the control socket closes, the process ends, and namespaces and link
//! are gone with it.

mod authority;
mod capture;
mod configuration;
mod confinement;
mod control;
mod converse;
mod datagrams;
mod gate;
mod http;
mod link;
mod names;
mod passage;
mod process;
mod record;
mod scenario;
mod site;
mod tls;
mod turned;
mod wire;

pub use authority::Authority;
pub use configuration::{Addresses, Configuration, Limits, MacAddress, Network};
pub use control::ARGUMENT as ROLE;
pub use control::{FakeInternet, FakenetError, Recordings, Statistics, World};
pub use process::process_main;
pub use scenario::{Answer, Fault, Host, Scenario, ScenarioError, Slow, Unknown};
pub use turned::{Traffic, Turn};
