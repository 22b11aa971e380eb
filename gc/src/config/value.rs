//! The values that settings take and that are no plain numbers: [`Gogc`], [`Driver`], [`HugePages`], switches.
//!
//! Each reads from text and prints as the same text. Ranges are checked in `check`, not here.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A text that cannot be read as the value it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueError {
    value: String,
    expected: &'static str,
}

impl ValueError {
    pub(crate) fn new(value: &str, expected: &'static str) -> ValueError {
        ValueError { value: value.to_owned(), expected }
    }

    /// The text that was given.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What to write instead, as a phrase that follows "write".
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be read: write {}", self.value, self.expected)
    }
}

impl Error for ValueError {}

/// How much the heap may grow between two collections, as a percentage of what survived the last one.
///
/// At 100 the heap doubles before the next cycle ends; at 50 it collects about twice as often and uses a quarter less. The
/// quantity and its name are Go's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Gogc {
    /// Growth in percent, 1 to 100 000.
    Percent(u32),
    /// No goal from growth: only a memory limit, or an explicit call, collects.
    Off,
}

impl Default for Gogc {
    fn default() -> Gogc {
        Gogc::Percent(100)
    }
}

impl fmt::Display for Gogc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gogc::Percent(percent) => write!(f, "{percent}"),
            Gogc::Off => f.write_str("off"),
        }
    }
}

impl FromStr for Gogc {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Gogc, ValueError> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Gogc::Off);
        }
        number(text)
            .map(Gogc::Percent)
            .ok_or_else(|| ValueError::new(text, "a percentage such as 100, or off"))
    }
}

/// Who steps the collector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Driver {
    /// Threads of the heap's own: markers, a sweeper, a coordinator.
    #[default]
    Background,
    /// No threads: mutators do all the work, in bounded steps, when they allocate and at safepoints.
    Inline,
    /// Nobody: the program calls the steps (for tests and simulations).
    Stepping,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Driver::Background => "background",
            Driver::Inline => "inline",
            Driver::Stepping => "stepping",
        })
    }
}

impl FromStr for Driver {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Driver, ValueError> {
        [Driver::Background, Driver::Inline, Driver::Stepping]
            .into_iter()
            .find(|driver| driver.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| ValueError::new(text, "background, inline or stepping"))
    }
}

/// Whether the system is asked to back the heap with huge pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum HugePages {
    /// The system's own rule applies.
    #[default]
    Off,
    /// Asked for by advice (`MADV_HUGEPAGE`); fewer TLB misses, coarser giving back.
    Advise,
}

impl fmt::Display for HugePages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HugePages::Off => "off",
            HugePages::Advise => "advise",
        })
    }
}

impl FromStr for HugePages {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<HugePages, ValueError> {
        [HugePages::Off, HugePages::Advise]
            .into_iter()
            .find(|pages| pages.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| ValueError::new(text, "off or advise"))
    }
}

/// Reads decimal digits and nothing else (`parse` alone would take a sign).
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Reads a switch: `1`, `on`, `true` or `0`, `off`, `false`.
pub(crate) fn switch(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(["1", "on", "true"]) {
        Some(true)
    } else if is(["0", "off", "false"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_they_print() {
        for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
            assert_eq!(driver.to_string().parse(), Ok(driver));
        }
        for pages in [HugePages::Off, HugePages::Advise] {
            assert_eq!(pages.to_string().parse(), Ok(pages));
        }
        for gogc in [Gogc::Off, Gogc::Percent(1), Gogc::Percent(100_000)] {
            assert_eq!(gogc.to_string().parse(), Ok(gogc));
        }
        assert_eq!("INLINE".parse(), Ok(Driver::Inline));
    }

    #[test]
    fn what_cannot_be_read() {
        for text in ["", "-1", "+1", "1.5", "100%", "OFFF", "4294967296"] {
            assert!(text.parse::<Gogc>().is_err(), "{text}");
        }
        assert!("".parse::<Driver>().is_err());
        assert!("always".parse::<HugePages>().is_err());
        assert_eq!(
            [switch("1"), switch("off"), switch("yes"), switch("")],
            [Some(true), Some(false), None, None]
        );
        assert_eq!([number::<u32>("7"), number("+7"), number("")], [Some(7), None, None]);
    }
}
