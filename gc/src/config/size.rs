//! Sizes and durations as text: `512MiB`, `1.5GiB`, `off`, `50us`.
//!
//! One reader for all of them, exact (integer arithmetic, no floating point). It never guesses a unit of time.

use super::value::ValueError;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Units of size. The bare letter and the `iB` form are powers of two, as they are for memory everywhere;
/// the `B` form is the power of ten, as it is for disks.
const SIZE_UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

/// Units of time, in nanoseconds. There is no default: a bare number is an error.
const TIME_UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `NUMBER UNIT` as a multiple of the smallest unit, rounding a fraction down; `None` if it is no such text.
///
/// The number is decimal digits with at most one point between digits; one space may stand before the unit; the unit's case
/// does not matter. A fraction needs a unit larger than the smallest (`1.5` bytes is an error, not one byte).
fn read_scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && factor > 1 => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    if fraction.len() > 18 {
        return None;
    }
    let mut value = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor);
        let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
        value = value.checked_add(u64::try_from(part / scale).ok()?)?;
    }
    Some(value)
}

/// A number of bytes, readable and printable with a unit.
///
/// As text: a decimal number, optionally with a fraction, optionally one space, and a unit in any case:
///
/// | unit | bytes |
/// | --- | --- |
/// | none, `B` | 1 |
/// | `K`, `KiB` | 1024 |
/// | `KB` | 1000 |
/// | `M`, `MiB` | 1024² |
/// | `MB` | 1000² |
/// | `G`, `GiB` | 1024³ |
/// | `GB` | 1000³ |
/// | `T`, `TiB` | 1024⁴ |
/// | `TB` | 1000⁴ |
///
/// A fraction is rounded down to whole bytes: `1.5GiB` is 1 610 612 736 bytes, `0.1K` is 102. Printing uses the largest
/// power-of-two unit that is exact, so that what is printed reads back as the same number.
///
/// ```
/// use greyset::ByteSize;
/// assert_eq!("1.5GiB".parse(), Ok(ByteSize::new(1_610_612_736)));
/// assert_eq!("64 kb".parse(), Ok(ByteSize::new(64_000)));
/// assert_eq!(ByteSize::new(512 << 20).to_string(), "512MiB");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This many bytes.
    pub const fn new(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> u64 {
        size.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift) {
            Some((shift, unit)) => f.pad(&format!("{}{unit}", self.0 >> shift)),
            None => f.pad(&format!("{}B", self.0)),
        }
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<ByteSize, ValueError> {
        let expected =
            "a size such as 512MiB or 1.5GiB (K, M, G, T are powers of 1024; KB, MB, GB, TB of 1000)";
        read_scaled(text, &SIZE_UNITS).map(ByteSize).ok_or_else(|| ValueError::new(text, expected))
    }
}

/// A limit on memory: a [`ByteSize`], `off`, or `auto`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// No limit.
    Off,
    /// At most this much.
    Bytes(ByteSize),
    /// 90 % of what the container may use (control groups, version 1 or 2); off where there is no such limit.
    Auto,
}

impl Limit {
    /// The limit in bytes; `None` when off, or not known yet.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Limit::Off | Limit::Auto => None,
            Limit::Bytes(size) => Some(size.0),
        }
    }
}

impl From<Option<u64>> for Limit {
    fn from(bytes: Option<u64>) -> Limit {
        bytes.map_or(Limit::Off, |bytes| Limit::Bytes(ByteSize(bytes)))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Off => f.pad("off"),
            Limit::Auto => f.pad("auto"),
            Limit::Bytes(size) => size.fmt(f),
        }
    }
}

impl FromStr for Limit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Limit, ValueError> {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match text {
            _ if is("off") => Ok(Limit::Off),
            _ if is("auto") => Ok(Limit::Auto),
            _ => text.parse().map(Limit::Bytes),
        }
    }
}

/// A length of time as text: `50us`, `1.5s`, `2m`. The unit (`ns`, `us`, `ms`, `s`, `m`, `h`) must be there.
///
/// Printing uses the largest of ns, us, ms and s that is exact.
///
/// ```
/// use greyset::Period;
/// use std::time::Duration;
/// assert_eq!("1.5s".parse::<Period>().map(Period::duration), Ok(Duration::from_millis(1500)));
/// assert!("500".parse::<Period>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Period(Duration);

impl Period {
    /// This long.
    pub const fn new(duration: Duration) -> Period {
        Period(duration)
    }

    /// The duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
        match units.iter().find(|(unit, _)| nanos > 0 && nanos.is_multiple_of(*unit)) {
            Some((unit, name)) => f.pad(&format!("{}{name}", nanos / unit)),
            None => f.pad(&format!("{nanos}ns")),
        }
    }
}

impl FromStr for Period {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Period, ValueError> {
        read_scaled(text, &TIME_UNITS)
            .map(|nanos| Period(Duration::from_nanos(nanos)))
            .ok_or_else(|| ValueError::new(text, "a duration with its unit, such as 50us, 500ms or 1.5s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(text: &str) -> Option<u64> {
        text.parse().ok().map(ByteSize::bytes)
    }

    #[test]
    fn sizes_with_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("1K", 1024),
            ("1KiB", 1024),
            ("1KB", 1000),
            ("512MiB", 512 << 20),
            ("512m", 512 << 20),
            ("512 MB", 512_000_000),
            ("1.5GiB", 3 << 29),
            ("1.5gb", 1_500_000_000),
            ("2T", 2 << 40),
            ("2TB", 2_000_000_000_000),
            ("0.1K", 102),
            ("18446744073709551615", u64::MAX),
            ("16777215T", 16_777_215 << 40),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            " ",
            "MiB",
            "-1",
            "+1",
            "1..5G",
            "1.5.2G",
            ".5G",
            "5.G",
            "1.5",
            "1.5B",
            "1_000",
            "1e9",
            "0x10",
            "512 MiB ",
            " 512MiB",
            "512  MiB",
            "1P",
            "18446744073709551616",
            "16777216T",
            "1.0000000000000000000G",
            "off",
            "1,5G",
            "½G",
        ] {
            assert_eq!(size(text), None, "{text:?}");
        }
        let error = "lots".parse::<ByteSize>().map_err(|e| e.to_string());
        assert!(
            error.clone().is_err_and(|e| e.starts_with("\"lots\" cannot be read: write a size")),
            "{error:?}"
        );
    }

    #[test]
    fn limits_and_periods() {
        assert_eq!("OFF".parse(), Ok(Limit::Off));
        assert_eq!("auto".parse(), Ok(Limit::Auto));
        assert_eq!((Limit::Auto.to_string().as_str(), Limit::Auto.bytes()), ("auto", None));
        assert_eq!("1K".parse(), Ok(Limit::Bytes(ByteSize(1024))));
        assert_eq!(Limit::from(None).to_string(), "off");
        assert!("none".parse::<Limit>().is_err());
        for (text, nanos) in
            [("50us", 50_000), ("50µs", 50_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000), ("0ms", 0)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_nanos(nanos))), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1 second", "1.5ns", "1.s", "300000000h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back(bytes: u64, shift in 0u32..64) {
            let size = ByteSize((bytes >> shift) << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn a_printed_period_reads_back(nanos: u64) {
            let period = Period(Duration::from_nanos(nanos));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Period>();
        }
    }
}
