//! Things that an agent keeps from task to task and that the host holds for it.

use chimera_agent_sdk::prelude::*;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DirectoryEntryStream, OpenFlags, PathFlags,
};
use wasip2::http::types::Fields;
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::InputStream;

/// Bytes that a stream may be asked for at once.
const BLOCK: u64 = 64 * 1024;

/// Streams stand before what they are streams of, since that is the order in
/// which they are dropped.
#[derive(Default)]
pub(super) struct Kept {
    listings: Vec<DirectoryEntryStream>,
    ahead: Vec<(Pollable, InputStream)>,
    files: Vec<Descriptor>,
    heads: Vec<Fields>,
    timers: Vec<Pollable>,
}

impl Kept {
    /// Adds `amount` of what `order` names to what is kept; `None` of another order.
    pub(super) fn hoard(&mut self, order: &str, amount: u64) -> Option<Result<Value, String>> {
        let done = match order {
            "hoard-listings" => many().and_then(|many| {
                times(amount, || {
                    let listing = many.read_directory().map_err(|e| format!("{e:?}"))?;
                    listing.read_directory_entry().map_err(|e| format!("{e:?}"))?;
                    self.listings.push(listing);
                    Ok(())
                })
            }),
            "hoard-files" => times(amount, || {
                self.files.push(open("large")?);
                Ok(())
            }),
            "hoard-reads" => self.read_ahead(amount),
            "hoard-heads" => times(amount, || {
                let fields = Fields::new();
                fields.append("x-large", &[b'h'; 15_000]).map_err(|e| format!("{e:?}"))?;
                self.heads.push(fields);
                Ok(())
            }),
            "hoard-timers" => times(amount, || {
                self.timers.push(subscribe_duration(u64::MAX));
                Ok(())
            })
            .inspect(|_| {
                let soon = subscribe_duration(0);
                poll(&self.timers.iter().chain([&soon]).collect::<Vec<_>>());
            }),
            "open" => folder().and_then(|_| open("pipe")).map(|_| json!("opened")),
            "count-entries" => count(),
            "let-go" => {
                *self = Self::default();
                Ok(json!("let go"))
            }
            _ => return None,
        };
        Some(done)
    }

    /// Streams of one file, each with a block that was read and not taken.
    fn read_ahead(&mut self, amount: u64) -> Result<Value, String> {
        let file = open("large")?;
        let done = times(amount, || {
            let stream = file.read_via_stream(0).map_err(|e| format!("{e:?}"))?;
            stream.read(BLOCK).map_err(|e| format!("{e:?}"))?;
            self.ahead.push((stream.subscribe(), stream));
            Ok(())
        });
        self.ahead.iter().for_each(|(read, _)| read.block());
        self.files.push(file);
        done
    }
}

fn times(amount: u64, mut once: impl FnMut() -> Result<(), String>) -> Result<Value, String> {
    (0..amount).try_for_each(|_| once())?;
    Ok(json!(amount))
}

fn folder() -> Result<Descriptor, String> {
    get_directories().into_iter().next().map(|(folder, _)| folder).ok_or("no folder".to_owned())
}

fn open(name: &str) -> Result<Descriptor, String> {
    folder()?
        .open_at(PathFlags::empty(), name, OpenFlags::empty(), DescriptorFlags::READ)
        .map_err(|error| format!("{error:?}"))
}

fn many() -> Result<Descriptor, String> {
    folder()?
        .open_at(PathFlags::empty(), "many", OpenFlags::DIRECTORY, DescriptorFlags::READ)
        .map_err(|error| format!("{error:?}"))
}

/// How many entries the folder `many` has, and how many of them are files.
fn count() -> Result<Value, String> {
    let listing = many()?.read_directory().map_err(|error| format!("{error:?}"))?;
    let (mut entries, mut files) = (0, 0);
    while let Some(entry) = listing.read_directory_entry().map_err(|error| format!("{error:?}"))? {
        entries += 1;
        let regular = wasip2::filesystem::types::DescriptorType::RegularFile;
        files += u64::from(entry.type_ == regular);
    }
    Ok(json!([entries, files]))
}
