//! What a host's agents share: file descriptors, and threads that may block.

use std::io;

use super::pool::{Share, Supply};
use super::threads::{Pool, Threads};

/// Descriptors of one agent, however many there are.
const MOST_DESCRIPTORS_EACH: usize = 1024;

/// What a host's agents share.
#[derive(Debug)]
pub(crate) struct Supplies {
    descriptors: Supply,
    threads: Pool,
}

impl Supplies {
    /// With so many file descriptors for all agents.
    pub(crate) fn new(descriptors: usize) -> io::Result<Self> {
        let each = (descriptors / 4).clamp(1, MOST_DESCRIPTORS_EACH);
        Ok(Self { descriptors: Supply::new(descriptors, each), threads: Pool::new()? })
    }

    /// One agent's share of the descriptors, and of the threads.
    pub(crate) fn for_agent(&self) -> (Share, Threads) {
        (self.descriptors.share(), self.threads.for_agent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::limits::pool::Short;

    #[test]
    fn one_agent_has_a_quarter_and_all_together_no_more_than_there_are() {
        let supplies = Supplies::new(8).unwrap();
        let shares: Vec<_> = (0..5).map(|_| supplies.for_agent().0).collect();
        let taken: Vec<_> = shares.iter().take(4).map(|share| share.try_take(2).unwrap()).collect();
        assert_eq!(shares[0].try_take(1).unwrap_err(), Short::Agent { most: 2 });
        assert_eq!(shares[4].try_take(1).unwrap_err(), Short::Host { most: 8 });
        drop(taken);
        assert!(shares[4].try_take(2).is_ok());
        assert!(shares[4].try_take(2).is_ok(), "it was given back");
    }
}
