//! How few bins could do, for any method and any knowledge of the items.
//!
//! The bound L2 of Martello and Toth (1990). It needs no optimal packing,
//! which would be NP-hard, and is close to it on the sequences used here, so
//! "bound / bins used" is a score in (0, 1] that cannot flatter.

/// The largest bound over all thresholds `small`: an item above
/// `capacity − small` shares its bin with none that is at least `small`, two
/// above the half never share, and what else is at least `small` fills the
/// room that the latter leave.
pub(crate) fn lower_bound(items: &[u32], capacity: u32) -> u64 {
    let sizes = Sizes::new(items);
    let half = capacity / 2;
    let halves = items.iter().copied().filter(|&size| size <= half);
    let mut thresholds: Vec<u32> = halves.chain([0]).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let bounds = thresholds.into_iter().map(|small| bound_at(&sizes, capacity, small));
    bounds.max().unwrap_or(0)
}

fn bound_at(sizes: &Sizes, capacity: u32, small: u32) -> u64 {
    let half = capacity / 2;
    let (alone, alone_sum) = sizes.above(capacity - small);
    let (over_half, over_half_sum) = sizes.above(half);
    let room = (over_half - alone) * u64::from(capacity) - (over_half_sum - alone_sum);
    let (_, sum) = sizes.from(small);
    let filling = sum - over_half_sum;
    over_half + filling.saturating_sub(room).div_ceil(u64::from(capacity))
}

/// The sizes in falling order with running sums, to ask for many thresholds.
struct Sizes {
    falling: Vec<u32>,
    /// The sum of the first none, one, two … of them.
    sums: Vec<u64>,
}

impl Sizes {
    fn new(items: &[u32]) -> Self {
        let mut falling = items.to_vec();
        falling.sort_unstable_by(|a, b| b.cmp(a));
        let running = falling.iter().scan(0, |sum, &size| {
            *sum += u64::from(size);
            Some(*sum)
        });
        let sums = std::iter::once(0).chain(running).collect();
        Self { falling, sums }
    }

    /// Count and sum of the sizes above `limit`.
    fn above(&self, limit: u32) -> (u64, u64) {
        self.first(self.falling.partition_point(|&size| size > limit))
    }

    /// Count and sum of the sizes that are `limit` or above.
    fn from(&self, limit: u32) -> (u64, u64) {
        self.first(self.falling.partition_point(|&size| size >= limit))
    }

    fn first(&self, count: usize) -> (u64, u64) {
        (count as u64, self.sums.get(count).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_right_where_it_can_be_seen() {
        let rows: [(&[u32], u32, u64); 7] = [
            (&[], 10, 0),
            (&[10], 10, 1),
            (&[5, 5], 10, 1),
            (&[6, 6, 6], 10, 3),
            (&[6, 4, 6, 4], 10, 2),
            (&[7, 7, 4, 4], 10, 3),
            (&[1; 25], 10, 3),
        ];
        for (items, capacity, expected) in rows {
            assert_eq!(lower_bound(items, capacity), expected, "{items:?}");
        }
    }

    #[test]
    fn it_sees_what_the_sum_does_not() {
        let items = [60, 60, 60, 45, 45];
        assert_eq!(items.iter().sum::<u32>().div_ceil(100), 3);
        assert_eq!(lower_bound(&items, 100), 4);
    }
}
