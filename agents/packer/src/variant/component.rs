//! The numbers in the bytes of a component: found by the marker, read, replaced.
//!
//! Only the numbers change, never the length, so a variant is as valid a
//! component as its parent. The marker must be there exactly once: a
//! second one would mean that it is not known which numbers are read.

use crate::tuning::{MARKER, Tuning};

/// The bytes are not those of this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "has the marker `packer/weights/1` with its numbers {found} times, not once: \
     it is no component of this agent"
)]
pub struct NotAPacker {
    found: usize,
}

/// Reads the numbers.
///
/// # Errors
/// [`NotAPacker`] where there is no one table of them.
pub fn read(component: &[u8]) -> Result<Tuning, NotAPacker> {
    let start = start(component)?;
    let (numbers, _) = component.get(start..).unwrap_or_default().as_chunks();
    let mut tuning = Tuning::BEST_FIT;
    for (number, bytes) in tuning.numbers_mut().zip(numbers) {
        *number = f64::from_le_bytes(*bytes);
    }
    Ok(tuning)
}

/// Replaces the numbers.
///
/// # Errors
/// [`NotAPacker`] where there is no one table of them; nothing is changed then.
pub fn write(component: &mut [u8], tuning: &Tuning) -> Result<(), NotAPacker> {
    let start = start(component)?;
    let (numbers, _) = component.get_mut(start..).unwrap_or_default().as_chunks_mut();
    for (bytes, number) in numbers.iter_mut().zip(tuning.numbers()) {
        *bytes = number.to_le_bytes();
    }
    Ok(())
}

/// Where the numbers begin.
fn start(component: &[u8]) -> Result<usize, NotAPacker> {
    let table = MARKER.len() + size_of::<Tuning>();
    let tables = component.windows(table).enumerate();
    let mut starts = tables.filter(|(_, bytes)| bytes.starts_with(&MARKER)).map(|(at, _)| at);
    match (starts.next(), starts.count()) {
        (Some(at), 0) => Ok(at + MARKER.len()),
        (first, more) => Err(NotAPacker { found: usize::from(first.is_some()) + more }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes with a table in them, as a linker would lay it out.
    fn component(before: &[u8], after: &[u8]) -> Vec<u8> {
        let numbers = Tuning::BEST_FIT.numbers().flat_map(f64::to_le_bytes);
        let bytes = before.iter().copied().chain(MARKER).chain(numbers);
        bytes.chain(after.iter().copied()).collect()
    }

    fn tuning(numbers: &[f64]) -> Tuning {
        let mut tuning = Tuning::BEST_FIT;
        tuning.numbers_mut().zip(numbers).for_each(|(to, from)| *to = *from);
        tuning
    }

    #[test]
    fn no_table_and_two_are_refused() {
        let rows = [
            (b"\0asm".to_vec(), 0),
            (MARKER.to_vec(), 0),
            (component(&component(b"", b""), b""), 2),
        ];
        for (mut bytes, found) in rows {
            let before = bytes.clone();
            assert_eq!(read(&bytes), Err(NotAPacker { found }));
            assert_eq!(write(&mut bytes, &Tuning::BEST_FIT), Err(NotAPacker { found }));
            assert_eq!(bytes, before);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_the_rest_stays(
            before: Vec<u8>,
            after: Vec<u8>,
            numbers in prop::collection::vec(-1e6..1e6, 13),
        ) {
            let mut bytes = component(&before, &after);
            let length = bytes.len();
            prop_assert_eq!(read(&bytes), Ok(Tuning::BEST_FIT));
            write(&mut bytes, &tuning(&numbers)).unwrap();
            prop_assert_eq!(read(&bytes), Ok(tuning(&numbers)));
            prop_assert_eq!(bytes.len(), length);
            prop_assert!(bytes.starts_with(&before) && bytes.ends_with(&after));
        }
    }
}
