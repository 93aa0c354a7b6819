//! Random choices, each a function of one seed: splitmix64, with the shapes of choice that a generator makes.

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Draw {
        Draw { state: seed }
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n as u64) as usize
    }

    /// A number from `low` to `high`, both among them.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.word() % (high - low + 1) as u64) as i64
    }

    /// True `share` times of a hundred.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// The item of one of the pairs, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, pairs: &[(usize, T)]) -> T {
        let total: usize = pairs.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for &(weight, item) in pairs {
            if at < weight {
                return item;
            }
            at -= weight;
        }
        unreachable!("a number below the sum of the weights")
    }
}
