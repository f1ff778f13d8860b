//! Server-sent events, read as the HTML standard defines them.

use std::collections::VecDeque;
use std::io::{self, BufRead, ErrorKind, Read};

/// Bytes of one event: more than a task's record has.
const MOST_BYTES: u64 = 256 << 20;
/// What an event without a name is called.
const UNNAMED: &str = "message";

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// What it says; lines are divided by `\n`.
    pub data: String,
}

/// The events of a stream, one by one. An event that the end of the stream cuts
/// off is left out.
pub(super) struct Events<R> {
    from: R,
    /// Lines that have been read and not been looked at.
    lines: VecDeque<String>,
    is_first: bool,
}

impl<R: BufRead> Events<R> {
    pub(super) fn of(from: R) -> Self {
        Self { from, lines: VecDeque::new(), is_first: true }
    }

    /// Reads up to the empty line that ends an event; `None` at the end.
    fn read(&mut self) -> io::Result<Option<Event>> {
        let (mut name, mut data): (String, Option<String>) = (String::new(), None);
        let mut left = MOST_BYTES;
        while let Some(line) = self.line(&mut left)? {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if !line.is_empty() => {}
                "" => match data.take() {
                    Some(data) => {
                        let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
                        return Ok(Some(Event { name, data }));
                    }
                    // Without data there is no event.
                    None => name.clear(),
                },
                "event" => value.clone_into(&mut name),
                "data" => match &mut data {
                    Some(data) => data.extend(["\n", value]),
                    None => data = Some(value.to_owned()),
                },
                // An id, or what a later version of the host says.
                _ => {}
            }
        }
        Ok(None)
    }

    /// The next line, of `left` bytes at the most. A line ends with `\n`, `\r\n`
    /// or `\r`.
    fn line(&mut self, left: &mut u64) -> io::Result<Option<String>> {
        if let Some(line) = self.lines.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        *left -= (&mut self.from).take(*left).read_until(b'\n', &mut bytes)? as u64;
        if *left == 0 {
            let message = format!("an event is longer than {} MiB", MOST_BYTES >> 20);
            return Err(io::Error::new(ErrorKind::InvalidData, message));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let mark = if std::mem::take(&mut self.is_first) { "\u{feff}" } else { "" };
        self.lines.extend(text.strip_prefix(mark).unwrap_or(text).split('\r').map(str::to_owned));
        Ok(self.lines.pop_front())
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let events = Events::of(text.as_bytes()).map(Result::unwrap);
        events.map(|event| (event.name, event.data)).collect()
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn data_of_several_lines_is_one_text() {
        let text = "event: a\ndata: {\ndata:  \"b\":\ndata\ndata:1}\nid: 7\n\n";
        assert_eq!(read(text), [event("a", "{\n \"b\":\n\n1}")]);
    }

    #[test]
    fn comments_and_events_without_data_are_passed_over() {
        let text = ": keep-alive\n\nevent: a\n\ndata: 1\n\nretry: 3\nevent:b\ndata:2\n\n";
        assert_eq!(read(text), [event("message", "1"), event("b", "2")]);
    }

    #[test]
    fn lines_end_in_three_ways_and_a_mark_of_order_is_no_text() {
        let read = read("\u{feff}event: a\r\ndata: 1\r\n\r\ndata: 2\r\rdata: 3\n\n");
        assert_eq!(read, [event("a", "1"), event("message", "2"), event("message", "3")]);
    }

    #[test]
    fn an_event_that_is_cut_off_is_none() {
        assert_eq!(read("data: 1\n\ndata: 2\n"), [event("message", "1")]);
        assert_eq!(read(""), []);
    }
}
