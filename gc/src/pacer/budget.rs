//! One limit for many heaps: who gets how much.
//!
//! With memory M a heap of L live bytes that allocates g bytes a second and is marked at s bytes a second spends `g·L/(s·(M−L))`
//! of a processor on collection. The sum over all heaps is least, for a given sum of M, where each has
//!
//! ```text
//! M = L + c·√(L·g/s)
//! ```
//!
//! with one c for all: the square-root rule of MemBalancer (Kirisame, Shenoy, Panchekha: Optimal Heap Limits for Reducing
//! Browser Memory Use, 2022), which weighs heaps without comparing them. Here c follows from the sum, floors and ceilings hold
//! before it, and a priority p multiplies a heap's `√`: at 2 it gets the memory of one that allocates four times as fast.
//!
//! A heap that moves nothing cannot give back a page with anything alive on it, however little: it gets that much at least. What a
//! heap loses to another it must first give back ([`grants`]).

/// Live bytes that a heap is taken to have at least: a new one must be able to grow.
const LEAST_LIVE: f64 = 1048576.0;
/// Bytes a second that a heap is taken to allocate at least: one that rests keeps a little room.
const LEAST_RATE: f64 = 1048576.0;
/// Halvings of the interval in which c is looked for: to the last bytes of the largest heap.
const STEPS: u32 = 100;

/// What a heap asks of its budget.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Claim {
    /// Bytes its last cycle found alive, with tables and whatever else counts against a limit.
    pub live: u64,
    /// Bytes that collecting does not free: pages with anything alive on them, and what `live` counts beside.
    pub least: u64,
    /// Bytes it holds now.
    pub held: u64,
    /// Bytes it allocates in a second.
    pub allocated: f64,
    /// Bytes that are marked in a second of processor time.
    pub marked: f64,
    /// Its priority, above 0; 1 is that of everybody.
    pub priority: f64,
    /// It gets this many bytes at least …
    pub floor: u64,
    /// … and this many at most.
    pub ceiling: u64,
}

impl Claim {
    /// `p·√(L·g/s)`. A heap that has never been marked is taken to be marked as fast as it allocates.
    fn weight(&self) -> f64 {
        let live = (self.live as f64).max(LEAST_LIVE);
        let allocated = self.allocated.max(LEAST_RATE);
        let marked = if self.marked > 0.0 { self.marked } else { allocated };
        self.priority * (live * allocated / marked).sqrt()
    }

    /// The share at a certain c, in bytes.
    fn share(&self, c: f64) -> u64 {
        let share = self.live as f64 + c * self.weight();
        (share as u64).max(self.least).max(self.floor).min(self.ceiling.max(self.floor))
    }
}

/// Splits `total` bytes. The shares come to `total` at most, unless floors alone or live data alone are more; then each gets the
/// same part of what it must have, and collects without end or fails: a budget cannot make memory.
pub fn split(total: u64, claims: &[Claim]) -> Vec<u64> {
    let sum = |c: f64| claims.iter().map(|claim| u128::from(claim.share(c))).sum::<u128>();
    let least = sum(0.0);
    if least > total.into() {
        let part = |claim: &Claim| u128::from(claim.share(0.0)) * u128::from(total) / least;
        return claims.iter().map(|claim| u64::try_from(part(claim)).unwrap_or(total)).collect();
    }
    // The sum grows with c: the largest c that keeps it within the total.
    let (mut low, mut high) = (0.0, 2.0 * total as f64);
    for _ in 0..STEPS {
        let middle = low + (high - low) / 2.0;
        if sum(middle) <= total.into() {
            low = middle;
        } else {
            high = middle;
        }
    }
    claims.iter().map(|claim| claim.share(low)).collect()
}

/// What each heap may hold now of the shares of [`split`]: whoever holds more than its share has not given it back yet, and those
/// that hold less wait for it, each with the same part of what it has left to grow.
///
/// ```text
/// over = Σ max(held − share, 0),  room = Σ max(share − held, 0)
/// grant = share − max(share − held, 0)·min(over/room, 1)
/// ```
pub fn grants(shares: &[u64], claims: &[Claim]) -> Vec<u64> {
    let sum = |of: fn(u64, u64) -> u64| -> f64 {
        shares.iter().zip(claims).map(|(&share, claim)| of(share, claim.held) as f64).sum()
    };
    let (over, room) =
        (sum(|share, held| held.saturating_sub(share)), sum(|share, held| share.saturating_sub(held)));
    let part = if room > 0.0 { (over / room).min(1.0) } else { 0.0 };
    let grant =
        |(&share, claim): (&u64, &Claim)| share - (share.saturating_sub(claim.held) as f64 * part) as u64;
    shares.iter().zip(claims).map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn claim(live: u64, allocated: f64) -> Claim {
        let live = live * MIB;
        Claim { live, least: 0, held: 0, allocated, marked: 1e9, priority: 1.0, floor: 0, ceiling: u64::MAX }
    }

    #[test]
    fn pages_that_cannot_be_given_back_come_before_room() {
        let holey = Claim { least: 90 * MIB, ..claim(10, 1e6) };
        let shares = split(240 * MIB, &[holey, claim(10, 1e9)]);
        assert_eq!(shares[0], 90 * MIB);
        assert!(shares[1].abs_diff(150 * MIB) <= 1, "{shares:?}");
    }

    #[test]
    fn what_is_taken_from_one_heap_is_given_when_it_is_free() {
        let holds = |mib: u64| Claim { held: mib * MIB, ..claim(0, 0.0) };
        let shares = [100 * MIB, 100 * MIB, 40 * MIB];
        assert_eq!(grants(&shares, &[holds(100), holds(60), holds(0)]), shares);
        // 40 MiB too much in one; the others have 40 and 40 left to grow.
        assert_eq!(grants(&shares, &[holds(140), holds(60), holds(0)]), [100 * MIB, 80 * MIB, 20 * MIB]);
        // More than the others have to grow.
        assert_eq!(grants(&shares, &[holds(300), holds(60), holds(0)]), [100 * MIB, 60 * MIB, 0]);
        assert_eq!(grants(&[7], &[holds(300)]), [7]);
    }

    #[test]
    fn alike_is_shared_alike_to_the_byte() {
        let shares = split(512 * MIB, &[claim(10, 1e8); 8]);
        assert!(shares.iter().all(|&share| share.abs_diff(64 * MIB) <= 1), "{shares:?}");
        assert!(split(512 * MIB, &[]).is_empty());
    }

    #[test]
    fn what_lies_beyond_live_goes_by_the_square_root() {
        // A hundred times the rate: ten times the room. 220 MiB to split in 10 : 1.
        let shares = split(240 * MIB, &[claim(10, 1e9), claim(10, 1e7)]);
        assert!(shares[0].abs_diff(210 * MIB) <= 1 && shares[1].abs_diff(30 * MIB) <= 1, "{shares:?}");
        // A priority of 3 is worth nine times the rate.
        let favoured = Claim { priority: 3.0, ..claim(10, 1e8) };
        let alike = split(240 * MIB, &[favoured, claim(10, 9e8)]);
        assert!(alike[0].abs_diff(alike[1]) <= 1, "{alike:?}");
    }

    #[test]
    fn it_is_the_split_with_the_least_work() {
        let claims = [claim(50, 1e9), claim(5, 2e8), claim(20, 1e7)];
        let work = |shares: &[u64]| {
            let one = |(c, m): (&Claim, &u64)| c.allocated * c.live as f64 / (m - c.live) as f64;
            claims.iter().zip(shares).map(one).sum::<f64>()
        };
        let best = split(200 * MIB, &claims);
        let equal = [200 * MIB / 3; 3];
        assert!(work(&best) < 0.8 * work(&equal), "{} {}", work(&best), work(&equal));
        // Moving a MiB from any heap to any other makes it no better.
        for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            let mut moved = best.clone();
            moved[from] -= MIB;
            moved[to] += MIB;
            assert!(work(&moved) > work(&best), "{from} {to}");
        }
    }

    #[test]
    fn floors_and_ceilings_come_first() {
        let low = Claim { floor: 100 * MIB, ..claim(1, 0.0) };
        let high = Claim { ceiling: 60 * MIB, ..claim(10, 1e12) };
        let shares = split(300 * MIB, &[low, high, claim(10, 1e8)]);
        assert_eq!((shares[0], shares[1]), (100 * MIB, 60 * MIB));
        assert!(shares[2].abs_diff(140 * MIB) <= 1, "{shares:?}");
        // All at their ceilings: the rest is nobody's.
        assert_eq!(split(300 * MIB, &[high, high]), [60 * MIB, 60 * MIB]);
    }

    #[test]
    fn too_little_is_split_in_proportion() {
        assert_eq!(split(100 * MIB, &[claim(150, 1e8), claim(50, 1e9)]), [75 * MIB, 25 * MIB]);
    }

    proptest! {
        #[test]
        fn within_the_total_and_the_bounds(
            total in MIB..1 << 44,
            heaps in prop::collection::vec((0u64..1 << 42, 0.0f64..1e12, 0.0f64..1e12, 0.1f64..10.0, 0u64..1 << 36, 0u64..1 << 44), 1..9)
        ) {
            let claims: Vec<Claim> = heaps.into_iter().map(|(live, allocated, marked, priority, floor, ceiling)| {
                Claim { live, least: live / 2 * 3, held: live, allocated, marked, priority, floor, ceiling }
            }).collect();
            let shares = split(total, &claims);
            prop_assert!(shares.iter().map(|&share| u128::from(share)).sum::<u128>() <= total.into());
            let least: u128 = claims.iter().map(|claim| u128::from(claim.share(0.0))).sum();
            if least <= total.into() {
                for (claim, &share) in claims.iter().zip(&shares) {
                    prop_assert!(share >= claim.floor && share <= claim.ceiling.max(claim.floor));
                }
            }
            let grants = grants(&shares, &claims);
            prop_assert!(grants.iter().zip(&shares).all(|(grant, share)| grant <= share));
        }
    }
}
