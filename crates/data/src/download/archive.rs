//! Members of a zip archive on a mirror, without the rest of it: its directory is asked for, and
//! then the ranges of bytes in which the members lie.

use std::ops::Range;

use super::SLACK;
use super::http::{self, Wanted};
use super::partial::Partial;
use super::session::{Session, locked};
use super::verify::{Unfit, verify};
use crate::registry::Archive;
use crate::{FileSpec, Result, zip};

/// What is known of a mirror's archive.
#[derive(Clone)]
pub(super) struct Remote {
    length: u64,
    directory: Vec<u8>,
}

impl Session<'_> {
    /// A member's verified content, or why this mirror is given up.
    pub(super) fn member(
        &self,
        file: &FileSpec,
        archive: Archive,
        address: &str,
        name: &str,
        partial: &mut Partial,
    ) -> Result<Result<Option<Vec<u8>>, String>> {
        let cap = file.bytes + SLACK;
        let remote = match self.remote(address, name)? {
            Ok(remote) => remote,
            Err(reason) => return Ok(Err(reason)),
        };
        let member = zip::find(&remote.directory, &archive.member(file));
        let member = match member.and_then(|member| member.check(cap).map(|()| member)) {
            Ok(member) => member,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let end = member.header.saturating_add(zip::LOCAL_HEADER as u64);
        let header = match self.range(address, name, member.header..end)? {
            Ok(header) => header,
            Err(reason) => return Ok(Err(reason)),
        };
        let data = match member.data(&header, remote.length) {
            Ok(data) => data,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let request = http::Request {
            address,
            name,
            cap,
            wanted: Wanted::Part(data),
        };
        let mut content = Vec::new();
        let fetched = self.tries(name, address, || {
            let resumed = !partial.is_empty();
            if let Err(failure) = self.client.get(&request, partial, self)? {
                return Ok(Err(failure));
            }
            let unpacked = member.unpack(partial.bytes().to_vec()).map_err(Unfit::from);
            let verified = unpacked.and_then(|unpacked| {
                content = unpacked;
                verify(file, &content)
            });
            self.judge(verified, resumed, partial)
        })?;
        Ok(fetched.map(|()| Some(content)))
    }

    /// The directory of the archive at an address: asked for once, by whichever thread needs it
    /// first.
    fn remote(&self, address: &str, name: &str) -> Result<Result<Remote, String>> {
        let mut archives = locked(&self.archives);
        if let Some(known) = archives.get(address) {
            return Ok(known.clone());
        }
        let remote = self.ask_remote(address, name)?;
        archives.insert(address.to_owned(), remote.clone());
        Ok(remote)
    }

    fn ask_remote(&self, address: &str, name: &str) -> Result<Result<Remote, String>> {
        let request = http::Request {
            address,
            name,
            cap: zip::TAIL as usize,
            wanted: Wanted::Last(zip::TAIL),
        };
        let tail = self.tries(name, address, || {
            let mut tail = Partial::in_memory();
            let got = self.client.get(&request, &mut tail, self)?;
            Ok(got.map(|length| (tail, length)))
        })?;
        let (tail, length) = match tail {
            Ok((tail, length)) => {
                let whole = tail.len() as u64;
                (tail, length.unwrap_or(whole))
            }
            Err(reason) => return Ok(Err(reason)),
        };
        let directory = match zip::directory(tail.bytes(), length) {
            Ok(directory) => directory,
            Err(error) => return Ok(Err(error.to_string())),
        };
        // It lies before the end, and most often within what has come already.
        let start = length.saturating_sub(tail.len() as u64);
        let within = |range: &Range<u64>| {
            let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
            tail.bytes().get(from..to).map(<[u8]>::to_vec)
        };
        let directory = match within(&directory) {
            Some(directory) => Ok(directory),
            None => self.range(address, name, directory)?,
        };
        Ok(directory.map(|directory| Remote { length, directory }))
    }

    /// Some bytes of an archive.
    fn range(
        &self,
        address: &str,
        name: &str,
        range: Range<u64>,
    ) -> Result<Result<Vec<u8>, String>> {
        let request = http::Request {
            address,
            name,
            cap: usize::try_from(range.end - range.start).unwrap_or(usize::MAX),
            wanted: Wanted::Part(range),
        };
        self.tries(name, address, || {
            let mut bytes = Partial::in_memory();
            let got = self.client.get(&request, &mut bytes, self)?;
            Ok(got.map(|_| bytes.bytes().to_vec()))
        })
    }
}
