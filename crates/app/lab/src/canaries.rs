//! When canaries sing, and what they are to prove: before the first phase, after the last, and at
//! random times between, so that no product can tell when a source had better work.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use miette::{Context as _, IntoDiagnostic as _, Result};
use watchglass_events::{Name, Process, Source, Tier, What};
use watchglass_evidence::PlannedRun;
use watchglass_sensor::Sensor;
use watchglass_world::{Spawn, User, World};

use crate::canary;
use crate::choose::{Chosen, Rights};
use crate::recording::{LabLog, Listener};

/// The canaries of one run.
#[derive(Debug)]
pub(crate) struct Canaries {
    expect: Vec<Source>,
    rights: Rights,
    /// TLS libraries that each speaks through; none where the sensor does not watch any.
    libraries: Option<Vec<PathBuf>>,
    /// Those at random times that have not sung yet.
    due: Vec<Due>,
    /// The phase that runs, by its place in the run, and since when.
    phase: (usize, Instant),
    singing: Option<Singing>,
}

/// A time to sing: so long after the beginning of a phase, or at its end if it ends before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    phase: usize,
    after: Duration,
}

/// A canary that has been let go.
#[derive(Debug)]
struct Singing {
    id: u32,
    since: Instant,
    // Read to the end, so that it never waits for a reader.
    _heard: [Listener; 2],
}

/// What a canary needs.
pub(crate) struct Cage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) sensor: &'a mut dyn Sensor,
    pub(crate) log: &'a mut LabLog,
}

impl Canaries {
    /// Draws when they sing in a run. `libraries` are the TLS libraries of the root.
    pub(crate) fn draw(run: &PlannedRun, chosen: &Chosen, libraries: &[PathBuf]) -> Result<Self> {
        let seed = watchglass_store::random_seed().into_diagnostic()?;
        let has_tls = run.network && chosen.tier != Tier::T0;
        let libraries = has_tls.then(|| libraries.to_vec());
        let watches_tls = libraries.as_ref().is_some_and(|libraries| !libraries.is_empty());
        Ok(Self {
            expect: expected(run, chosen, watches_tls),
            rights: chosen.rights,
            libraries,
            due: due(&seed, run.phases.len()),
            phase: (0, Instant::now()),
            singing: None,
        })
    }

    /// One sings to its end, in a world where nothing else runs.
    pub(crate) fn sing(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        self.let_go(cage)?;
        self.settle(cage)?;
        cage.world.kill_rest().into_diagnostic()
    }

    /// A phase begins.
    pub(crate) fn begin(&mut self, phase: usize) {
        self.phase = (phase, Instant::now());
    }

    /// Lets one go if it is time, and never waits for it: the product must not be kept waiting.
    pub(crate) fn tick(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        if let Some(singing) = &self.singing {
            // An end is told once.
            if cage.world.outcome(singing.id, Duration::ZERO).into_diagnostic()?.is_some() {
                self.singing = None;
            } else if singing.since.elapsed() > canary::LONGEST {
                self.settle(cage)?;
            }
            return Ok(());
        }
        let (phase, since) = self.phase;
        let is_due = |due: &Due| due.phase == phase && due.after <= since.elapsed();
        if let Some(place) = self.due.iter().position(is_due) {
            self.due.swap_remove(place);
            self.try_to_let_go(cage)?;
        }
        Ok(())
    }

    /// The phase has ended: what was to sing in it does so now.
    pub(crate) fn end(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        self.settle(cage)?;
        let (phase, _) = self.phase;
        while let Some(place) = self.due.iter().position(|due| due.phase == phase) {
            self.due.swap_remove(place);
            self.try_to_let_go(cage)?;
            self.settle(cage)?;
        }
        Ok(())
    }

    /// Beside a product that leaves no room for one more process there is no canary. No source can
    /// have seen it, which is what the log then says: a product must not earn by that.
    fn try_to_let_go(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        let Err(error) = self.let_go(cage) else { return Ok(()) };
        cage.log.note(format!("A canary could not be placed: {error}."))?;
        self.announce(cage, token()?, Process { pid: 0, start_ns: 0 })
    }

    fn announce(&self, cage: &mut Cage<'_>, token: String, process: Process) -> Result<()> {
        let name = |path: &PathBuf| Name::new(path.as_os_str().as_encoded_bytes());
        let libraries = self.libraries.as_ref().map(|all| all.iter().map(name).collect());
        let expect = self.expect.clone();
        cage.log.mark(What::CanaryPlaced { token, process, expect, libraries })
    }

    fn let_go(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        let token = token()?;
        let (stdout, heard) = Listener::pipe()?;
        let (stderr, complaint) = Listener::pipe()?;
        let program =
            canary::program(self.rights).into_diagnostic().context("copying the canary")?;
        let libraries = self.libraries.clone().unwrap_or_default();
        let fixed = ["canary".into(), canary::ROLE.into(), token.clone().into()];
        let spawn = Spawn {
            argv: fixed.into_iter().chain(libraries.into_iter().map(Into::into)).collect(),
            environment: Vec::new(),
            user: User::Numbers { uid: 0, gid: 0, groups: Vec::new() },
            folder: "/".into(),
            stdout,
            stderr,
            program: Some(program.into()),
        };
        let (id, process) = crate::run::parked(cage.world, &spawn)?;
        // Whoever waits for the end of a pipe must not hold it open.
        drop(spawn);
        cage.sensor.adopt(process.pid).into_diagnostic()?;
        self.announce(cage, token, process)?;
        cage.world.release(id).into_diagnostic()?;
        self.singing = Some(Singing { id, since: Instant::now(), _heard: [heard, complaint] });
        Ok(())
    }

    /// Waits for the one that sings.
    fn settle(&mut self, cage: &mut Cage<'_>) -> Result<()> {
        let Some(singing) = self.singing.take() else { return Ok(()) };
        let left = canary::LONGEST.saturating_sub(singing.since.elapsed());
        if cage.world.outcome(singing.id, left).into_diagnostic()?.is_none() {
            cage.log.note("A canary did not end in time.")?;
            // It may have ended meanwhile.
            let _ = cage.world.signal(singing.id, rustix::process::Signal::KILL);
        }
        Ok(())
    }
}

/// The sources that must see a canary of this run.
fn expected(run: &PlannedRun, chosen: &Chosen, watches_tls: bool) -> Vec<Source> {
    let mut expected = match chosen.tier {
        Tier::T0 => vec![Source::Ptrace],
        Tier::T1 | Tier::T2 => vec![Source::Tracepoint, Source::Cgroup],
    };
    expected.push(Source::Overlay);
    // In place there is no link.
    if chosen.rights != Rights::InPlace {
        expected.push(Source::Capture);
    }
    if run.network {
        expected.push(Source::Gate);
    }
    if watches_tls {
        expected.push(Source::Uprobe);
    }
    expected
}

/// One to three times, each in a phase drawn evenly, at a delay drawn from spans that double: some
/// phases take a tenth of a second, others minutes.
fn due(seed: &[u8; 32], phases: usize) -> Vec<Due> {
    let [count, draws @ ..] = seed;
    let count = 1 + usize::from(*count) % MOST;
    let draw = |bytes: &[u8]| {
        let &[phase, span, fraction, ..] = bytes else { return None };
        let longest = SHORTEST_SPAN * (1 << (span % SPANS));
        let after = longest.mul_f64(f64::from(fraction) / 256.0);
        Some(Due { phase: usize::from(phase).checked_rem(phases)?, after })
    };
    draws.chunks(3).take(count).filter_map(draw).collect()
}

/// 24 letters and digits from the kernel's random source: one DNS label, one file name.
fn token() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let seed = watchglass_store::random_seed().into_diagnostic()?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    Ok(seed.iter().take(24).map(letter).collect())
}

/// Most canaries of a run beside the first and the last.
const MOST: usize = 3;
const SHORTEST_SPAN: Duration = Duration::from_millis(50);
/// The longest span is 25.6 seconds.
const SPANS: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_few_and_fall_into_phases_of_the_run() {
        for number in 0..=255_u8 {
            let mut seed = [number; 32];
            seed[3] = number.wrapping_mul(7);
            let due = due(&seed, 4);
            assert!((1..=MOST).contains(&due.len()));
            assert!(due.iter().all(|due| due.phase < 4 && due.after < Duration::from_secs(26)));
        }
        assert_eq!(due(&[9; 32], 0), []);
    }

    #[test]
    fn every_phase_and_short_and_long_delays_come_up() {
        let seeds = (0..=255_u8).map(|number| [number, number, number / 3, number, 1, 2].repeat(6));
        let all: Vec<Due> =
            seeds.flat_map(|seed| due(&seed[..32].try_into().expect("32 bytes"), 3)).collect();
        assert!((0..3).all(|phase| all.iter().any(|due| due.phase == phase)));
        assert!(all.iter().any(|due| due.after < Duration::from_millis(50)));
        assert!(all.iter().any(|due| due.after > Duration::from_secs(5)));
    }
}
