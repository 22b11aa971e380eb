//! The options every workload takes, and the heap they describe.
use crate::failure::Failure;
use crate::units::parse_size;
use greyset::{Gogc, Heap, HeapBuilder, Period};
use serde::{Serialize, Serializer};
use std::path::PathBuf;
use std::time::Duration;

/// Options of the heap and of the run.
#[derive(clap::Args, Clone, Debug, PartialEq, Serialize)]
#[command(next_help_heading = "Options of every workload")]
pub struct Common {
    /// Heap growth in percent of the live data before the next cycle, or off.
    #[arg(long, global = true, value_name = "N|off", default_value_t)]
    #[serde(serialize_with = "as_percent")]
    pub gogc: Gogc,
    /// Collect harder above this size (soft limit), e.g. 512MiB.
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Fail allocations above this size, e.g. 1GiB.
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<u64>,
    /// Threads that run the workload.
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = count(1, 1024))]
    pub mutators: usize,
    /// Marker threads; without it the heap's own default.
    #[arg(long, global = true, value_name = "N", value_parser = count(1, 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Most marking work charged to one allocation, e.g. 50us; without it the heap's own default.
    #[arg(long, global = true, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_period")]
    pub assist_max: Option<Period>,
    /// Who does the collector's work.
    #[arg(long, global = true, value_enum, default_value_t = Driver::Background)]
    pub driver: Driver,
    /// One line about every cycle on standard error.
    #[arg(long, global = true)]
    pub trace: bool,
    /// Stop after about this many seconds of measured work, done or not.
    #[arg(long, global = true, value_name = "S", value_parser = duration)]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_seconds")]
    pub seconds: Option<Duration>,
    /// One JSON object on standard output instead of text.
    #[arg(long, global = true)]
    #[serde(skip)]
    pub json: bool,
    /// Also write the distribution of operation times to FILE: nanoseconds, tab, count.
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip)]
    pub latencies: Option<PathBuf>,
}

/// The `--driver` setting.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Threads of the collector's own.
    Background,
    /// The mutators, in allocations and at safepoints.
    Inline,
}

impl Default for Common {
    fn default() -> Common {
        Common {
            gogc: Gogc::default(),
            memory_limit: None,
            hard_limit: None,
            mutators: 1,
            workers: None,
            assist_max: None,
            driver: Driver::Background,
            trace: false,
            seconds: None,
            json: false,
            latencies: None,
        }
    }
}

impl Common {
    /// A heap as these options want it. A setting the heap refuses is a usage error in the heap's own words.
    pub fn heap(&self) -> Result<Heap, Failure> {
        let mut builder = Heap::builder().trace(self.trace).driver(match self.driver {
            Driver::Background => greyset::Driver::Background,
            Driver::Inline => greyset::Driver::Inline,
        });
        builder = with_gogc(builder, self.gogc);
        if let Some(bytes) = self.memory_limit {
            builder = builder.memory_limit(bytes);
        }
        if let Some(bytes) = self.hard_limit {
            builder = builder.hard_limit(bytes);
        }
        if let Some(n) = self.workers {
            builder = builder.workers(n);
        }
        if let Some(time) = self.assist_max {
            builder = builder.assist_max(time.duration());
        }
        build(builder)
    }
}

/// The heap of a builder. A setting that it refuses is a usage error in its own words.
///
/// # Errors
/// [`Failure::Usage`] for such a setting, and for the driver that needs somebody who steps it.
pub fn build(builder: HeapBuilder) -> Result<Heap, Failure> {
    let heap = builder.build().map_err(|e| Failure::Usage(e.to_string()))?;
    let driver = std::env::var("GREYSET_DRIVER").ok().and_then(|text| text.parse().ok());
    match driver {
        Some(greyset::Driver::Stepping) => Err(Failure::Usage(
            "GREYSET_DRIVER=stepping: nobody here would step the collector; use background or inline"
                .to_owned(),
        )),
        _ => Ok(heap),
    }
}

/// The builder with this growth.
pub fn with_gogc(builder: HeapBuilder, gogc: Gogc) -> HeapBuilder {
    match gogc {
        Gogc::Percent(n) => builder.gogc(n),
        Gogc::Off => builder.gogc_off(),
    }
}

/// A parser of whole numbers in `low..=high`, saying so when it is something else.
pub fn count(low: usize, high: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let n = text.replace('_', "").parse().ok();
        n.filter(|n| (low..=high).contains(n))
            .ok_or_else(|| format!("not a whole number from {low} to {high}"))
    }
}

/// Reads a positive number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|s| (0.001..=86_400.0).contains(s));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "not a number of seconds from 0.001 to 86400".to_owned())
}

fn as_percent<S: Serializer>(gogc: &Gogc, serializer: S) -> Result<S::Ok, S::Error> {
    match gogc {
        Gogc::Percent(n) => serializer.serialize_u32(*n),
        Gogc::Off => serializer.serialize_str("off"),
    }
}

fn as_period<S: Serializer>(time: &Option<Period>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

fn as_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|t| t.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_seconds_have_ranges() {
        assert_eq!(count(1, 10)("10"), Ok(10));
        assert_eq!(count(1, 1_000_000)("200_000"), Ok(200_000));
        assert!(count(1, 10)("11").is_err() && count(1, 10)("x").is_err());
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert!(duration("0").is_err() && duration("NaN").is_err() && duration("-1").is_err());
    }
}
