//! Sizes and times as people write and read them.
use greyset::ByteSize;
use std::time::Duration;

/// Reads a size above zero with a unit: `64MiB`, `1GiB`, `500kB`, or plain bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let size = text.parse::<ByteSize>().ok().map(ByteSize::bytes).filter(|n| *n > 0);
    size.ok_or_else(|| "not a size above zero such as 512MiB, 1.5GiB or 4096".to_owned())
}

/// `256.0 MiB`.
pub fn bytes(n: u64) -> String {
    let (shift, unit) = match n {
        0..0x400 => return format!("{n} B"),
        0x400..0x10_0000 => (10, "KiB"),
        0x10_0000..0x4000_0000 => (20, "MiB"),
        _ => (30, "GiB"),
    };
    format!("{:.1} {unit}", n as f64 / f64::from(1u32 << shift))
}

/// `850 ns`, `12.3 µs`, `4.56 ms`, `2.10 s`: three digits or so.
pub fn nanos(ns: u64) -> String {
    let n = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", digits(n / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", digits(n / 1e6)),
        _ => format!("{} s", digits(n / 1e9)),
    }
}

/// Seconds, written as [`nanos`] writes them.
pub fn seconds(s: f64) -> String {
    nanos(Duration::try_from_secs_f64(s).map_or(0, |d| d.as_nanos() as u64))
}

/// `950`, `12.3 k`, `4.56 M`, `1.20 G`.
pub fn count(n: f64) -> String {
    match n {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{} k", digits(n / 1e3)),
        n if n < 1e9 => format!("{} M", digits(n / 1e6)),
        n => format!("{} G", digits(n / 1e9)),
    }
}

fn digits(x: f64) -> String {
    let decimals = if x < 10.0 {
        2
    } else if x < 100.0 {
        1
    } else {
        0
    };
    format!("{x:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_units() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("500kB"), Ok(500_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for wrong in ["", "0", "-1", "12 apples", "MiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(nanos(999), "999 ns");
        assert_eq!(nanos(12_345), "12.3 µs");
        assert_eq!(nanos(4_560_000), "4.56 ms");
        assert_eq!(seconds(2.1), "2.10 s");
        assert_eq!(count(1_234_000.0), "1.23 M");
        assert_eq!(bytes(256 << 20), "256.0 MiB");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
    }
}
