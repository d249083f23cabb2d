//! Finds out whether a world can be had here, by building one.

use std::path::Path;

use watchglass_claims::Privileges;
use watchglass_fakenet::{Addresses, Authority, Configuration, FakeInternet, Network, Recordings};
use watchglass_world::{LayerBuilder, Limits, Plan, PreparedRoot, World};

/// Builds an empty world, joins a fake internet to it, and takes both down. Takes some tenths of a
/// second.
///
/// # Errors
/// Why not, in words.
pub(crate) fn world() -> Result<(), String> {
    let layer = LayerBuilder::new().map_err(in_words)?.finish();
    let root = PreparedRoot::host();
    let plan = Plan {
        root: &root,
        layer: &layer,
        hostname: "probe".to_owned(),
        boot_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        privileges: Privileges::default(),
        limits: Limits::default(),
        traced_calls: Vec::new(),
        program: None,
    };
    let world = World::create(&plan).map_err(in_words)?;
    let joined = join(&world);
    let ended = world.end().map_err(in_words);
    joined.and(ended)
}

fn join(world: &World) -> Result<(), String> {
    let configuration = Configuration {
        network: Network::None,
        scenario: watchglass_fakenet::Scenario::default(),
        authority: Authority::generate(0).map_err(in_words)?,
        addresses: Addresses::default(),
        limits: watchglass_fakenet::Limits::default(),
        clock_offset_seconds: 0,
    };
    let nowhere = || {
        let memory = rustix::fs::memfd_create("probe", rustix::fs::MemfdFlags::CLOEXEC);
        memory.map(std::fs::File::from).map_err(in_words)
    };
    let recordings = Recordings { capture: nowhere()?, log: nowhere()? };
    let place = subject_side(world).map_err(in_words)?;
    let program = Path::new("/proc/self/exe");
    let internet = FakeInternet::start(program, &configuration, &place, recordings);
    internet.and_then(FakeInternet::finish).map(drop).map_err(in_words)
}

/// Where the fake internet is joined to a world: an ordinary user has rights over the network only
/// inside of the user namespace that owns it.
pub(crate) fn subject_side(world: &World) -> std::io::Result<watchglass_fakenet::World> {
    let user = world.user_namespace().map(|user| user.try_clone_to_owned()).transpose()?;
    Ok(watchglass_fakenet::World { network: world.network().try_clone_to_owned()?, user })
}

/// An error with its causes, in one line.
pub(crate) fn in_words(error: impl std::error::Error + 'static) -> String {
    let first: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
