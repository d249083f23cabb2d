//! One group of runs in one world.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miette::{Context as _, IntoDiagnostic as _, Result, miette};
use watchglass_bait::{Bait, Identity};
use watchglass_checks::{plant, values_of};
use watchglass_claims::{Install, Phase, Product};
use watchglass_events::log::LogWriter;
use watchglass_events::{Name, Outcome, Process, Source, Tier, What};
use watchglass_evidence::{Campaign, InventoryFile, Package, PlannedRun};
use watchglass_fakenet::{
    Addresses, Authority, Configuration, FakeInternet, Host, MacAddress, Network, Turn,
};
use watchglass_sensor::{Sensor, Totals, bpf, ptrace};
use watchglass_world::{Inventory, Limits, Plan, Preparation, PreparedRoot, Spawn, World};

use crate::blind;
use crate::canaries::{Cage, Canaries};
use crate::choose::{Chosen, Rights};
use crate::cli::{Assay, NetworkChoice};
use crate::furnish::Furniture;
use crate::phase::Stage;
use crate::progress::Progress;
use crate::recording::{LabLog, create, log, now_ns};
use crate::room::Room;
use crate::specimens::{self, OwnProduct};
use crate::{in_place, probe, real, scenario};

/// What every run of a campaign shares.
pub(crate) struct Setting<'a> {
    pub(crate) arguments: &'a Assay,
    pub(crate) product: &'a Product,
    pub(crate) chosen: &'a Chosen,
    pub(crate) campaign: &'a Campaign,
    pub(crate) root: &'a PreparedRoot,
    /// The library that hastens clocks, where the root has one.
    pub(crate) hastener: Option<&'a [u8]>,
    pub(crate) folder: &'a Path,
    pub(crate) cancelled: &'a AtomicBool,
    pub(crate) progress: &'a mut Progress,
}

/// A world with who lives in it.
struct Place {
    world: World,
    product: Product,
    identity: Identity,
    authority: Authority,
    /// The update server of the product, where the product is the lab's own.
    update_server: Option<Host>,
    /// TLS libraries of the root, as they lay there before anything of the subject ran.
    tls_libraries: Vec<PathBuf>,
}

/// Whether a group was recorded to its end in an assay that broke off. The log of a run that was
/// interrupted is sealed too, so that it can be read; the run is made again.
pub(crate) fn is_done(folder: &Path, group: &[PlannedRun]) -> bool {
    group.iter().all(|run| {
        let log = std::fs::read(folder.join("runs").join(&run.name).join("lab.log"));
        let log = log.ok().and_then(|bytes| watchglass_events::log::parse(&bytes).ok());
        log.is_some_and(|log| {
            let any = |is: &dyn Fn(&What) -> bool| log.events.iter().any(|event| is(&event.what));
            let every_phase = run.phases.iter().all(|name| any(&|what| ends_phase(what, name)));
            log.cut.is_none() && any(&ends_run) && every_phase && !any(&is_interruption)
        })
    })
}

fn ends_run(what: &What) -> bool {
    matches!(what, What::SourceEnded { of: Source::Lab, .. })
}

fn ends_phase(what: &What, name: &str) -> bool {
    matches!(what, What::StepEnded { phase, .. } if phase == name)
}

fn is_interruption(what: &What) -> bool {
    matches!(what, What::StepEnded { outcome: Outcome::Interrupted, .. })
}

/// Makes the runs of a group, one after another, in one world.
pub(crate) fn group(setting: &mut Setting<'_>, group: &[PlannedRun]) -> Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let mut place = place(setting, first)?;
    for run in group {
        let name = &run.name;
        record(setting, &mut place, run).wrap_err_with(|| format!("run {name}"))?;
        if setting.cancelled.load(Ordering::Relaxed) {
            break;
        }
    }
    place.world.end().into_diagnostic().context("tearing the world down")
}

fn place(setting: &mut Setting<'_>, run: &PlannedRun) -> Result<Place> {
    setting.progress.say(&format!("run {}: building the world", run.name));
    let (identity, bait) = planted(run, setting.campaign)?;
    let folder = folder_of(&setting.arguments.product)?;
    let values = values_of(&identity, &folder, &specimens::folder_of(setting.arguments)?);
    let product = setting.product.fill(&values).into_diagnostic()?;
    let own = OwnProduct::of(setting.product);
    let authority = Authority::generate(unix_seconds()?).into_diagnostic()?;
    let furniture = Furniture {
        product: &product,
        identity: &identity,
        bait: &bait,
        authority_pem: authority.certificate_pem(),
        resolver: Addresses::default().gate_v4.to_string(),
        configured: run.configured,
        in_place: setting.chosen.rights == Rights::InPlace,
        own: own.as_ref(),
    };
    let layer = furniture.layer()?;
    let traced_calls = match setting.chosen.tier {
        _ if setting.chosen.rights == Rights::InPlace => ptrace::traced_calls_in_place(),
        Tier::T0 => ptrace::traced_calls(),
        _ => Vec::new(),
    };
    let plan = Plan {
        root: setting.root,
        layer: &layer,
        hostname: identity.host_name.clone(),
        boot_id: boot_id(&run.seed),
        privileges: product.privileges.clone(),
        limits: Limits::default(),
        traced_calls,
        program: None,
    };
    let world = match setting.chosen.rights {
        Rights::Root | Rights::UserNamespace => World::create(&plan),
        Rights::InPlace => World::create_in_place(&plan, &in_place::parent(), in_place::sockets()),
    };
    let world = world.into_diagnostic().context("building the world")?;
    let update_server = own.map(|own| own.update_server(&bait));
    let tls_libraries = bpf::tls_libraries(&root_of(&world));
    Ok(Place { world, product, identity, authority, update_server, tls_libraries })
}

/// The root of a world as a path of the lab's.
fn root_of(world: &World) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", world.first_process()))
}

fn planted(run: &PlannedRun, campaign: &Campaign) -> Result<(Identity, Bait)> {
    plant(&run.seed, campaign.bait_files)
        .ok_or_else(|| miette!("run {}: its seed is no seed", run.name))
}

/// The product with the placeholders that do not differ from run to run filled in; the others stand
/// for nothing.
pub(crate) fn filled_for_lab(product: &Product, arguments: &Assay) -> Result<Product> {
    let (nowhere, folder) = ("/nowhere".to_owned(), folder_of(&arguments.product)?);
    let values = watchglass_claims::Values {
        bait: nowhere.clone(),
        samples: nowhere,
        product: folder,
        specimens: specimens::folder_of(arguments)?,
    };
    product.fill(&values).into_diagnostic()
}

/// The folder of the product file, which `{product}` stands for.
fn folder_of(product: &Path) -> Result<String> {
    let path = product.canonicalize().into_diagnostic()?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_else(|| PathBuf::from("/"));
    folder.to_str().map(str::to_owned).ok_or_else(|| miette!("{} is not UTF-8", folder.display()))
}

fn unix_seconds() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).into_diagnostic()?;
    i64::try_from(now.as_secs()).into_diagnostic()
}

/// A UUID of its own for every world, made from its seed.
fn boot_id(seed: &str) -> String {
    let digits = watchglass_events::Digest::of(format!("boot {seed}").as_bytes()).to_string();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Everything that records one run.
struct Recorders {
    lab: LabLog,
    sensor: Box<dyn Sensor>,
    internet: FakeInternet,
}

fn record(setting: &mut Setting<'_>, place: &mut Place, run: &PlannedRun) -> Result<()> {
    let folder = setting.folder.join("runs").join(&run.name);
    watchglass_store::fresh_folder(&folder).into_diagnostic()?;
    let room = room(setting, run, &folder);
    let lab = LabLog::create(&folder)?;
    let (internet, turn) = internet(setting, place, run, &room, &folder)?;
    let sensor = sensor(setting, place, in_place::of(&place.world, turn)?, &folder)?;
    let mut recorders = Recorders { lab, sensor, internet };
    let unix_seconds = u64::try_from(unix_seconds()?).unwrap_or(0);
    let tier = setting.chosen.tier;
    recorders.lab.mark(What::RunStarted { run: run.name.clone(), unix_seconds, tier })?;
    for lack in place.world.lacks() {
        recorders.lab.note(format!("The world has {lack}."))?;
    }
    let played = play(setting, place, run, &room, &mut recorders);
    if let Err(error) = &played {
        recorders.lab.note(format!("The lab could not go on: {error}."))?;
    }
    let closed = close(setting, place, run, recorders, &folder);
    played.and(closed)
}

/// What a run may write, with the runs after it in mind.
fn room(setting: &Setting<'_>, run: &PlannedRun, folder: &Path) -> Room {
    let later = setting.campaign.runs.iter().skip_while(|other| other.name != run.name).skip(1);
    Room::of_run(setting.folder, folder, setting.arguments.max_mib << 20, later.count())
}

fn play(
    setting: &mut Setting<'_>,
    place: &mut Place,
    run: &PlannedRun,
    room: &Room,
    recorders: &mut Recorders,
) -> Result<()> {
    let mut canaries = Canaries::draw(run, setting.chosen, &place.tls_libraries)?;
    canaries.sing(&mut cage(place, recorders))?;
    let phases: Vec<Phase> = place.product.phases.clone();
    let planned = phases.iter().filter(|phase| run.phases.contains(&phase.name));
    for (number, phase) in planned.enumerate() {
        canaries.begin(number);
        setting.progress.say(&format!("run {}: phase {}", run.name, phase.name));
        let (name, progress, cancelled) =
            (run.name.clone(), &mut *setting.progress, setting.cancelled);
        let mut stage = Stage {
            world: &mut place.world,
            sensor: recorders.sensor.as_mut(),
            log: &mut recorders.lab,
            idle: setting.arguments.idle(setting.hastener.is_some()),
            hastener: setting.hastener,
            clock: None,
            is_cancelled: &|| cancelled.load(Ordering::Relaxed) || room.is_full(),
            tick: &mut |events| {
                progress.tick(&|| format!("run {name}: phase {}, {events} events", phase.name));
            },
            canaries: &mut canaries,
            heard: Vec::new(),
        };
        stage.play(phase)?;
        if cancelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        if room.is_full() {
            recorders.lab.note(room.in_words())?;
            break;
        }
    }
    canaries.sing(&mut cage(place, recorders))
}

fn cage<'a>(place: &'a mut Place, recorders: &'a mut Recorders) -> Cage<'a> {
    let (sensor, log) = (recorders.sensor.as_mut(), &mut recorders.lab);
    Cage { world: &mut place.world, sensor, log }
}

/// Parks a command: its number in the world, and the process.
pub(crate) fn parked(world: &mut World, spawn: &Spawn) -> Result<(u32, Process)> {
    let parked = world.park(spawn).into_diagnostic()?;
    Ok((parked.id, Process { pid: parked.pid, start_ns: parked.start_ns }))
}

fn sensor(
    setting: &Setting<'_>,
    place: &Place,
    in_place: Option<ptrace::InPlace>,
    folder: &Path,
) -> Result<Box<dyn Sensor>> {
    let log = create(folder, "sensor.log")?;
    let uid_base = place.world.uid_base();
    if setting.chosen.tier == Tier::T0 {
        let off = blind::is_blind(setting.arguments, Source::Ptrace);
        let disabled = off.then_some(Source::Ptrace).into_iter().collect();
        let options =
            ptrace::Options { uid_base, in_place, disabled, ..ptrace::Options::default() };
        return Ok(Box::new(ptrace::start(log, &options).into_diagnostic().context("ptrace")?));
    }
    let mut options = bpf::Options {
        disabled: blind::groups(setting.arguments),
        world_root: Some(root_of(&place.world)),
        libraries: place.tls_libraries.clone(),
        uid_base,
        ..bpf::Options::default()
    };
    if blind::is_small(setting.arguments) {
        options.ring_bytes = SMALL_BUFFER_BYTES;
    }
    let cgroup = place.world.cgroup().ok_or_else(|| miette!("the world has no cgroup"))?.1;
    let sensor = bpf::start(cgroup, log, &options).into_diagnostic().context("BPF")?;
    Ok(Box::new(sensor))
}

/// A buffer that any flood overflows, for tests of the loss.
const SMALL_BUFFER_BYTES: u32 = 64 << 10;

fn internet(
    setting: &Setting<'_>,
    place: &Place,
    run: &PlannedRun,
    room: &Room,
    folder: &Path,
) -> Result<(FakeInternet, Option<Turn>)> {
    let addresses = Addresses { subject_mac: mac(&place.identity)?, ..Addresses::default() };
    let configuration = Configuration {
        network: match setting.arguments.network {
            _ if !run.network => Network::None,
            NetworkChoice::None => Network::None,
            NetworkChoice::Vendor => Network::Vendor,
            NetworkChoice::Real => Network::Real { resolver: real::resolver()? },
        },
        scenario: scenario::scenario(setting.arguments, place.update_server.clone())?,
        authority: place.authority.clone(),
        addresses,
        limits: room.limits(real::limits(setting.arguments.network)),
        clock_offset_seconds: 0,
    };
    let recordings = blind::recordings(setting.arguments, folder)?;
    let program = Path::new("/proc/self/exe");
    let started = if setting.chosen.rights == Rights::InPlace {
        let started = FakeInternet::start_in_place(program, &configuration, &recordings);
        started.map(|(internet, turn)| (internet, Some(turn)))
    } else {
        await_unlinked(place.world.first_process())?;
        let world = probe::subject_side(&place.world).into_diagnostic()?;
        let started = FakeInternet::start(program, &configuration, &world, recordings);
        started.map(|internet| (internet, None))
    };
    started.into_diagnostic().context("starting the fake internet")
}

/// The kernel takes the link of the run before away a moment after its fake internet has ended.
fn await_unlinked(init: u32) -> Result<()> {
    let devices = format!("/proc/{init}/net/dev");
    for _ in 0..500 {
        let text = std::fs::read_to_string(&devices)
            .into_diagnostic()
            .wrap_err_with(|| devices.clone())?;
        if !text.contains("eth0:") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(miette!("the link of the run before does not go away"))
}

fn mac(identity: &Identity) -> Result<MacAddress> {
    let bytes: Option<Vec<u8>> =
        identity.mac.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    bytes.map(MacAddress).ok_or_else(|| miette!("the identity has no hardware address"))
}

/// Ends every recorder in order: processes, network, kernel, disk, and last the lab itself.
fn close(
    setting: &Setting<'_>,
    place: &mut Place,
    run: &PlannedRun,
    recorders: Recorders,
    folder: &Path,
) -> Result<()> {
    let Recorders { mut lab, sensor, internet } = recorders;
    place.world.kill_rest().into_diagnostic()?;
    let statistics = internet.finish().into_diagnostic().context("ending the fake internet")?;
    for problem in &statistics.problems {
        lab.note(problem.clone())?;
    }
    let totals = sensor.finish().into_diagnostic().context("ending the kernel sensor")?;
    let (differs, cut) = differences(setting, place, folder)?;
    for what in cut {
        lab.note(format!("The difference on disk leaves something out: {what}."))?;
    }
    let frames = statistics.frames.saturating_add(statistics.frames_lost);
    let events = statistics.events.saturating_add(statistics.events_lost);
    let unseen = if setting.chosen.rights == Rights::InPlace { in_place::BLIND } else { &[] };
    ended(&mut lab, Source::Capture, frames, statistics.frames_lost, unseen)?;
    ended(&mut lab, Source::Gate, events, statistics.events_lost, &[])?;
    ended(&mut lab, Source::Overlay, differs, 0, OVERLAY_BLIND)?;
    for Totals { source, emitted, received, lost, blind } in totals {
        lab.mark(What::SourceEnded { of: source, emitted, received, lost, blind })?;
    }
    match setting.arguments.network {
        NetworkChoice::Vendor if run.network => lab.note(
            "The vendor was played by the lab: what its own servers would have said was not seen.",
        )?,
        NetworkChoice::Real if run.network => lab.note(
            "The real network was passed through: what went inside of TLS was not read, and nothing \
             but TCP and UDP was passed on.",
        )?,
        _ => {}
    }
    ended(&mut lab, Source::Lab, 1, 0, &[])?;
    lab.finish()
}

const OVERLAY_BLIND: &[&str] =
    &["A file that was written and removed within a run is not in the difference on disk."];

fn ended(lab: &mut LabLog, of: Source, emitted: u64, lost: u64, blind: &[&str]) -> Result<()> {
    let blind = blind.iter().map(|sentence| (*sentence).to_owned()).collect();
    lab.mark(What::SourceEnded { of, emitted, received: emitted.saturating_sub(lost), lost, blind })
}

fn differences(
    setting: &Setting<'_>,
    place: &mut Place,
    folder: &Path,
) -> Result<(u64, Vec<String>)> {
    let mut log = log(folder, "overlay.log", Source::Overlay)?;
    let mut cut = Vec::new();
    if !blind::is_blind(setting.arguments, Source::Overlay) {
        cut = tell_differences(place, &mut log)?;
    }
    let count = log.count();
    log.finish().into_diagnostic().context("overlay.log")?;
    Ok((count, cut))
}

fn tell_differences(
    place: &mut Place,
    log: &mut LogWriter<BufWriter<std::fs::File>>,
) -> Result<Vec<String>> {
    let mut failed = None;
    let mut take = |what: What| {
        if let Err(error) = log.append(now_ns(), None, what) {
            failed.get_or_insert(error);
        }
    };
    let compared = place.world.difference(&mut take).into_diagnostic();
    let cut = compared.context("comparing the disk")?.cut;
    failed.map_or(Ok(cut), |error| Err(error).into_diagnostic().context("overlay.log"))
}

/// Makes or finds the root that the product is installed in.
pub(crate) fn prepare_root(
    product: &Product,
    cache: &Path,
    cancelled: &AtomicBool,
    progress: &mut Progress,
) -> Result<PreparedRoot> {
    let mut say = |text: &str| progress.say(text);
    let mut preparation =
        Preparation { cache, program: None, progress: &mut say, cancel: cancelled };
    PreparedRoot::prepare(&product.install, &mut preparation)
        .into_diagnostic()
        .context("preparing the root")
}

/// The product's packages and files, and the files that the product file installs.
pub(crate) fn inventory(root: &PreparedRoot, product: &Product) -> Result<Vec<InventoryFile>> {
    let named: &[String] = match &product.install {
        Install::Debian { packages, .. } => packages,
        Install::Host { .. } => &[],
    };
    let found = match &product.install {
        Install::Debian { .. } => root.inventory().into_diagnostic().context("inventory")?,
        // What the product file installs is all that there is of it.
        Install::Host { .. } => Inventory::default(),
    };
    let packages = found.packages.into_iter().map(|package| {
        let is_named = named.contains(&package.name);
        InventoryFile::Package(Package {
            name: package.name,
            version: package.version,
            named: is_named,
        })
    });
    let files = found.files.into_iter().filter_map(|file| {
        let sha256 = file.digest?.to_string();
        let path = Name::new(file.path).to_string();
        Some(InventoryFile::File { path, bytes: file.bytes, sha256 })
    });
    let laid = crate::furnish::installed(product);
    let laid = laid.iter().map(pinned).collect::<Result<Vec<_>>>()?;
    Ok(packages.chain(files).chain(laid).collect())
}

/// A file that the product file installs.
fn pinned(file: &watchglass_claims::InstalledFile) -> Result<InventoryFile> {
    let content = std::fs::read(&file.from)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}, which the product file installs", file.from))?;
    Ok(InventoryFile::File {
        path: Name::from(file.to.as_str()).to_string(),
        bytes: content.len() as u64,
        sha256: watchglass_events::Digest::of(&content).to_string(),
    })
}
