//! Compile-time hashes of types, for picking an allocation bin.
//!
//! Never used as identity: two types with one hash share a bin and take turns in it, which costs time and nothing else.

/// Hash of a place in the source: what the derive feeds with module path, type name, line and column.
///
/// FNV-1a, because it is short enough to run in the compiler for every type.
#[doc(hidden)]
pub const fn hash_site(module: &str, name: &str, line: u32, column: u32) -> u64 {
    let hash = hash_bytes(0xcbf2_9ce4_8422_2325, module.as_bytes());
    let hash = hash_bytes(hash, name.as_bytes());
    mix(mix(hash, line as u64), column as u64)
}

const fn hash_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Combines the hash of a generic type with that of a parameter. Order matters.
///
/// The finaliser of SplitMix64, so that low bits depend on all bits.
#[doc(hidden)]
pub const fn mix(hash: u64, parameter: u64) -> u64 {
    let mut mixed = hash.rotate_left(23) ^ parameter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn parameters_and_their_order_tell_types_apart() {
        assert_ne!(mix(1, 2), mix(2, 1));
        assert_ne!(mix(mix(7, 1), 2), mix(mix(7, 2), 1));
        assert_ne!(hash_site("a", "b", 1, 2), hash_site("a", "b", 2, 1));
    }

    #[test]
    fn neighbouring_types_spread_over_bins() {
        let bins: HashSet<u64> =
            (0..64).map(|line| hash_site("app::objects", "Node", line, 10) & 63).collect();
        assert!(bins.len() > 32, "64 types met only {} of 64 bins", bins.len());
    }
}
