//! The small random number generator of every workload and peer, so that all of them build the same data.

/// Marsaglia's xorshift64 with shifts 13, 7, 17.
#[derive(Clone, Debug)]
pub struct Xorshift(u64);

impl Xorshift {
    /// The seed that the peers use too.
    pub const SEED: u64 = 88_172_645_463_325_252;

    /// A generator whose sequence is that of `SEED` for stream 0 and another one for each other stream.
    pub fn new(stream: u64) -> Xorshift {
        Xorshift(Xorshift::SEED ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The next number of the sequence; never 0.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number in `0..n`. Not exactly uniform, which no workload needs.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Xorshift;

    #[test]
    fn the_first_number_is_marsaglias() {
        assert_eq!(Xorshift::new(0).next_u64(), 8_748_534_153_485_358_512);
        assert_ne!(Xorshift::new(1).next_u64(), Xorshift::new(2).next_u64());
    }
}
