//! A file of log that is put aside when a day is over or it is large.
//!
//! `layer4.log` is the file that is written; `layer4.2026-11-29.1.log` and the like are
//! those that were put aside, by the day of their last line and counted within it. So many
//! are kept, which bounds what a log takes of the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that would grow past this is put aside first.
const LARGEST: u64 = 64 << 20;
/// Files that are kept beside the one that is written.
const KEPT: usize = 14;

pub(super) struct Rotated {
    folder: PathBuf,
    name: &'static str,
    file: File,
    /// Of its last line.
    day: String,
    size: u64,
    largest: u64,
}

impl Rotated {
    /// Goes on with the file that is there.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(folder: &Path, name: &'static str) -> io::Result<Self> {
        Self::with(folder, name, LARGEST)
    }

    fn with(folder: &Path, name: &'static str, largest: u64) -> io::Result<Self> {
        let file = file(folder, name)?;
        let there = file.metadata()?;
        let day = day(there.modified()?);
        Ok(Self { folder: folder.to_owned(), name, file, day, size: there.len(), largest })
    }

    fn put(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        let (today, length) = (day(now), line.len() as u64);
        if today != self.day || self.size.saturating_add(length) > self.largest {
            if self.size > 0
                && let Ok(file) = self.begun_anew()
            {
                self.file = file;
            }
            // Also where it could not be put aside: it is tried again after a day or as
            // much, and not with each line.
            (self.day, self.size) = (today, 0);
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        Ok(())
    }

    /// Puts the file aside and begins another.
    fn begun_anew(&self) -> io::Result<File> {
        let mut aside = put_aside(&self.folder, self.name)?;
        let last = aside.iter().filter(|(day, ..)| *day == self.day).map(|(_, count, _)| *count);
        let count = last.max().unwrap_or(0).saturating_add(1);
        let to = self.folder.join(format!("{}.{}.{count}.log", self.name, self.day));
        match fs::rename(current(&self.folder, self.name), &to) {
            Ok(()) => aside.push((self.day.clone(), count, to)),
            // Another program put it aside.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        aside.sort();
        let too_many = aside.len().saturating_sub(KEPT);
        for (.., path) in aside.iter().take(too_many) {
            // One that cannot be removed stays until the next time.
            let _ = fs::remove_file(path);
        }
        file(&self.folder, self.name)
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line, SystemTime::now())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn current(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// For this user alone: it has what agents log.
fn file(folder: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(current(folder, name))
}

/// Of the calendar in UTC, as the times in the lines are. A time that has no such form, as a
/// file may have, is taken as the first or last that has one.
fn day(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    let at = SystemTime::UNIX_EPOCH + since;
    humantime::format_rfc3339_seconds(at).to_string().chars().take(DAY).collect()
}

/// The end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// `2026-11-29`
const DAY: usize = 10;

/// The files of this name that were put aside: day, count and path.
fn put_aside(folder: &Path, name: &str) -> io::Result<Vec<(String, u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let parts = file_name.to_str().and_then(|text| {
            let (day, count) = text
                .strip_prefix(name)?
                .strip_prefix('.')?
                .strip_suffix(".log")?
                .split_once('.')?;
            let is_day = day.len() == DAY && day.bytes().all(|c| c == b'-' || c.is_ascii_digit());
            Some((is_day.then(|| day.to_owned())?, count.parse().ok()?))
        });
        // What else lies there is not the log's.
        if let Some((day, count)) = parts {
            found.push((day, count, entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// 2026-11-29, midday.
    const NOON: Duration = Duration::from_secs(1_795_953_600);
    const A_DAY: Duration = Duration::from_secs(86_400);

    fn at(since: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + since
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    /// A log that was last written on this day.
    fn log(folder: &Path, largest: u64, since: Duration) -> Rotated {
        let mut log = Rotated::with(folder, "layer4", largest).unwrap();
        log.day = day(at(since));
        log
    }

    #[test]
    fn a_day_and_a_size_begin_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut log = log(folder, 10, NOON);
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.put(line.as_bytes(), at(NOON)).unwrap();
        }
        log.put(b"five\n", at(NOON + A_DAY)).unwrap();
        let expected =
            ["layer4.2026-11-29.1.log", "layer4.2026-11-29.2.log", "layer4.2026-11-29.3.log"];
        assert_eq!(names(folder), [&expected[..], &["layer4.log"]].concat());
        assert_eq!(read(folder, expected[0]), "one\ntwo\n");
        assert_eq!(read(folder, expected[1]), "three\n");
        assert_eq!(read(folder, expected[2]), "four\n");
        assert_eq!(read(folder, "layer4.log"), "five\n");
    }

    #[test]
    fn a_host_that_starts_again_goes_on_with_the_file_and_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        log(folder, 10, NOON).put(b"one\n", at(NOON)).unwrap();
        let mut again = log(folder, 10, NOON);
        again.put(b"two\n", at(NOON)).unwrap();
        assert_eq!(names(folder), ["layer4.log"]);
        let mode = fs::metadata(current(folder, "layer4")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        again.put(b"three\n", at(NOON)).unwrap();
        assert_eq!(read(folder, "layer4.2026-11-29.1.log"), "one\ntwo\n");
    }

    #[test]
    fn the_oldest_go_and_what_is_not_the_logs_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let others = ["chimera.2026-01-01.log", "executor.2026-01-01.1.log", "layer4.old.1.log"];
        for other in others {
            fs::write(folder.join(other), "").unwrap();
        }
        let mut log = log(folder, 1, NOON);
        for n in 0..40 {
            log.put(b"x\n", at(NOON + A_DAY * (n / 12))).unwrap();
        }
        let left = names(folder);
        assert!(others.iter().all(|other| left.iter().any(|name| name == other)), "{left:?}");
        let own = left.iter().filter(|name| name.starts_with("layer4.2026-"));
        let own: Vec<&String> = own.collect();
        assert_eq!(own.len(), KEPT);
        // The last of a day has a number of two digits, and is newer than the second.
        assert!(own.iter().any(|name| *name == "layer4.2026-12-01.12.log"), "{own:?}");
        assert!(!own.iter().any(|name| name.contains("11-29")), "{own:?}");
    }

    #[test]
    fn a_day_has_ten_characters_whatever_the_clock_shows() {
        let days = [SystemTime::UNIX_EPOCH - A_DAY, at(NOON), at(Duration::from_secs(1 << 40))];
        assert_eq!(days.map(day), ["1970-01-01", "2026-11-29", "9999-12-31"]);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 4, NOON);
        log.put(b"one\n", at(NOON)).unwrap();
        log.folder = folder.path().join("gone");
        log.put(b"two\n", at(NOON)).unwrap();
        assert_eq!(read(folder.path(), "layer4.log"), "one\ntwo\n");
    }
}
