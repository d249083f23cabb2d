//! Drives one phase of a product.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use miette::{IntoDiagnostic as _, Result};
use watchglass_claims::{Command, Phase, Ready, Signal};
use watchglass_events::{Name, Outcome, What};
use watchglass_sensor::Sensor;
use watchglass_world::{Spawn, User, World};

use crate::canaries::{Cage, Canaries};
use crate::clock::{self, FastClock};
use crate::recording::{LabLog, Listener, Printed};

/// How long a stopped service may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Why an idle phase takes its whole time.
const NO_HASTENER: &str =
    "its clock is the machine's: hastening it takes root, and libfaketime in the product's root";
/// How often the lab looks whether something has happened.
const TICK: Duration = Duration::from_millis(50);

/// What a phase needs.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) sensor: &'a mut dyn Sensor,
    pub(crate) log: &'a mut LabLog,
    pub(crate) idle: Duration,
    /// The library that hastens clocks, where the root has one.
    pub(crate) hastener: Option<&'a [u8]>,
    /// The clock of the phase, while it is a fast one.
    pub(crate) clock: Option<FastClock>,
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
    pub(crate) tick: &'a mut dyn FnMut(u64),
    pub(crate) canaries: &'a mut Canaries,
    /// What commands that have ended printed; empty at the beginning.
    pub(crate) heard: Vec<(u32, Listener, Listener)>,
}

/// A command that runs.
struct Running {
    step: u32,
    id: u32,
    stdout: Listener,
    stderr: Listener,
}

impl Stage<'_> {
    /// Runs a phase to its end, whatever that is; what goes wrong is in the log.
    pub(crate) fn play(&mut self, phase: &Phase) -> Result<()> {
        let mut step = 0;
        for command in &phase.setup {
            let outcome = self.run_out(phase, step, command, &[0])?;
            step += 1;
            if outcome != Outcome::Exited(0) {
                return self.leave(phase);
            }
        }
        match (&phase.ready, phase.lasts) {
            (None, None) => {
                self.run_out(phase, step, &phase.run, &phase.expect_exit)?;
            }
            _ => self.service(phase, step)?,
        }
        self.leave(phase)
    }

    /// Nothing of a phase outlives it. Only then is a pipe's end certain: a daemon that a command
    /// left behind may hold it.
    fn leave(&mut self, phase: &Phase) -> Result<()> {
        if !(self.is_cancelled)() {
            self.canaries.end(&mut cage(self.world, self.sensor, self.log))?;
        }
        let outlived = self.world.processes().len();
        if outlived > 0 {
            let name = &phase.name;
            self.log.note(format!(
                "Processes that outlived phase {name} and were killed: {outlived}."
            ))?;
        }
        let killed = self.world.kill_rest().into_diagnostic();
        self.clock = None;
        for (step, stdout, stderr) in std::mem::take(&mut self.heard) {
            for (descriptor, listener) in [(1, stdout), (2, stderr)] {
                let Printed { bytes, cut } = listener.heard();
                if !bytes.as_bytes().is_empty() {
                    let phase = phase.name.clone();
                    self.log.mark(What::Printed { phase, step, descriptor, bytes, cut })?;
                }
            }
        }
        killed
    }

    fn run_out(
        &mut self,
        phase: &Phase,
        step: u32,
        command: &Command,
        expect: &[i32],
    ) -> Result<Outcome> {
        let running = self.start(phase, step, command)?;
        let outcome = self.wait(&running, Instant::now() + phase.timeout)?;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => self.give_up(&running)?,
        };
        let expected = matches!(outcome, Outcome::Exited(code) if expect.contains(&code));
        self.ended(phase, running, outcome.clone(), expected)?;
        Ok(outcome)
    }

    /// A service: started, awaited, driven, stopped.
    fn service(&mut self, phase: &Phase, step: u32) -> Result<()> {
        let deadline = Instant::now() + phase.timeout;
        if phase.lasts.is_some() {
            self.hasten(phase)?;
        }
        let service = self.start(phase, step, &phase.run)?;
        let mut early = self.until_ready(phase, &service, deadline)?;
        let ready = early.is_none() && Instant::now() < deadline;
        if ready {
            let drives = phase.drive.iter().zip(step + 1..);
            for (command, step) in drives {
                self.run_out(phase, step, command, &phase.expect_exit)?;
            }
            if let Some(lasts) = phase.lasts {
                early = self.idle(phase, &service, lasts)?;
            }
        } else if early.is_none() {
            self.log
                .note(format!("Phase {}: the service did not get ready in time.", phase.name))?;
        }
        let (outcome, expected) = match early {
            Some(outcome) => (outcome, false),
            None => self.stop(phase, &service, ready)?,
        };
        self.ended(phase, service, outcome, expected)
    }

    /// Hastens the clock of what is started from here on, where that can be done.
    fn hasten(&mut self, phase: &Phase) -> Result<()> {
        let Some(library) = self.hastener else {
            return self.log.note(format!("Phase {}: {NO_HASTENER}.", phase.name));
        };
        match FastClock::lay(&phase.name, library, self.world, self.log) {
            Ok(clock) => self.clock = Some(clock),
            Err(error) => self
                .log
                .note(format!("Phase {}: the clock could not be hastened: {error}.", phase.name))?,
        }
        Ok(())
    }

    /// Leaves a service alone until the product file's time has passed for it, or the lab's for this
    /// is over. How it ended, if it did.
    fn idle(
        &mut self,
        phase: &Phase,
        service: &Running,
        lasts: Duration,
    ) -> Result<Option<Outcome>> {
        self.log.mark(What::IdleBegan { phase: phase.name.clone() })?;
        let (began, until) = (Instant::now(), Instant::now() + self.idle);
        let passed = |clock: &Option<FastClock>| match clock {
            Some(clock) => clock.passed(),
            None => began.elapsed(),
        };
        let enough = passed(&self.clock) + lasts + lasts / 500;
        let mut early = None;
        while early.is_none() && Instant::now() < until && passed(&self.clock) < enough {
            early = self.wait(service, until.min(Instant::now() + TICK))?;
        }
        let untouched = self.clock.as_ref().is_none_or(FastClock::is_untouched);
        self.log.mark(What::IdleEnded { phase: phase.name.clone(), untouched })?;
        Ok(early)
    }

    fn until_ready(
        &mut self,
        phase: &Phase,
        service: &Running,
        deadline: Instant,
    ) -> Result<Option<Outcome>> {
        let began = Instant::now();
        while Instant::now() < deadline && !(self.is_cancelled)() {
            if is_ready(self.world, phase.ready.as_ref(), began) {
                return Ok(None);
            }
            if let Some(outcome) = self.wait(service, Instant::now() + TICK)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn stop(&mut self, phase: &Phase, service: &Running, ready: bool) -> Result<(Outcome, bool)> {
        self.signal(service.id, phase.stop)?;
        match self.wait(service, Instant::now() + GRACE)? {
            Some(Outcome::Exited(code)) => {
                let expected = ready && phase.expect_exit.contains(&code);
                Ok((Outcome::Stopped(code), expected))
            }
            // A service without a handler dies of the very signal that the product file names.
            Some(Outcome::Signalled(signal)) if signal == number(phase.stop) => {
                Ok((Outcome::Stopped(0), ready && phase.expect_exit.contains(&0)))
            }
            Some(outcome) => Ok((outcome, false)),
            None => Ok((self.give_up(service)?, false)),
        }
    }

    fn start(&mut self, phase: &Phase, step: u32, command: &Command) -> Result<Running> {
        let (out, stdout) = Listener::pipe()?;
        let (err, stderr) = Listener::pipe()?;
        let argv: Vec<OsString> = command.0.iter().map(OsString::from).collect();
        let environment = environment(phase, self.clock.as_ref());
        let spawn = Spawn {
            argv,
            environment,
            user: User::Named(phase.user.clone()),
            folder: "/".into(),
            stdout: out,
            stderr: err,
            program: None,
        };
        let (id, process) = crate::run::parked(self.world, &spawn)?;
        // Whoever waits for the end of a pipe must not hold it open.
        drop(spawn);
        self.sensor.adopt(process.pid).into_diagnostic()?;
        let argv = command.0.iter().map(|word| Name::from(word.as_str())).collect();
        let phase = phase.name.clone();
        self.log.mark(What::StepStarted { phase, step, argv, process })?;
        self.world.release(id).into_diagnostic()?;
        Ok(Running { step, id, stdout, stderr })
    }

    /// How the command ended; `None` at the deadline.
    fn wait(&mut self, running: &Running, deadline: Instant) -> Result<Option<Outcome>> {
        loop {
            let period = self.clock.as_ref().map_or(TICK, |_| clock::PERIOD);
            if let Some(outcome) = self.world.outcome(running.id, period).into_diagnostic()? {
                return Ok(Some(outcome));
            }
            if let Some(clock) = &mut self.clock {
                clock.keep(self.world, self.log)?;
            }
            (self.tick)(self.sensor.recorded());
            // A canary's own flow would bring a hastened clock to a halt.
            if self.clock.is_none() {
                self.canaries.tick(&mut cage(self.world, self.sensor, self.log))?;
            }
            if (self.is_cancelled)() {
                self.give_up(running)?;
                return Ok(Some(Outcome::Interrupted));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// One that has ended meanwhile needs no signal.
    fn signal(&mut self, id: u32, signal: Signal) -> Result<()> {
        let known = rustix::process::Signal::from_named_raw(number(signal));
        if let Some(signal) = known {
            let _ = self.world.signal(id, signal);
        }
        Ok(())
    }

    fn give_up(&mut self, running: &Running) -> Result<Outcome> {
        self.signal(running.id, Signal::Kill)?;
        // Who dies of this has not outlived the phase.
        let _ = self.world.outcome(running.id, GRACE).into_diagnostic()?;
        Ok(Outcome::TimedOut)
    }

    fn ended(
        &mut self,
        phase: &Phase,
        running: Running,
        outcome: Outcome,
        expected: bool,
    ) -> Result<()> {
        let (step, name) = (running.step, phase.name.clone());
        self.heard.push((step, running.stdout, running.stderr));
        self.log.mark(What::StepEnded { phase: name, step, outcome, expected })
    }
}

fn cage<'a>(world: &'a mut World, sensor: &'a mut dyn Sensor, log: &'a mut LabLog) -> Cage<'a> {
    Cage { world, sensor, log }
}

fn environment(phase: &Phase, clock: Option<&FastClock>) -> Vec<(OsString, OsString)> {
    let path = watchglass_claims::PROGRAM_FOLDERS.join(":");
    let home = if phase.user == "root" { "/root" } else { "/" };
    let fixed = [("PATH", path.as_str()), ("HOME", home), ("LANG", "C.UTF-8")];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut all: std::collections::BTreeMap<String, String> = fixed.into_iter().collect();
    all.extend(phase.environment.clone());
    if let Some(clock) = clock {
        clock.environment(&mut all);
    }
    all.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Hangup => 1,
        Signal::Interrupt => 2,
        Signal::Quit => 3,
        Signal::Kill => 9,
        Signal::Terminate => 15,
    }
}

/// Looks from outside, so that the looking is no event of the subject's.
fn is_ready(world: &World, ready: Option<&Ready>, began: Instant) -> bool {
    match ready {
        None => true,
        Some(Ready::Seconds(seconds)) => began.elapsed() >= Duration::from_secs(*seconds),
        Some(Ready::File(path)) => world.exists(Path::new(path)),
        Some(Ready::Unix(path)) => world.listens_unix(path),
        Some(Ready::Tcp(port)) => world.listens_tcp(*port),
    }
}
