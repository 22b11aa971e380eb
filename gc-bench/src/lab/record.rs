//! `gc-bench record`: a workload with a recording of what the pacer saw.

use crate::bench::{Bench, Outcome};
use crate::failure::Failure;
use crate::latency;
use crate::machine;
use crate::options::Common;
use crate::output::{Output, emit};
use crate::report::Report;
use crate::workloads::Workload;
use std::path::{Path, PathBuf};

/// Options of `record`.
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub struct Record {
    #[command(subcommand)]
    workload: Workload,
    #[command(flatten)]
    common: Common,
    /// Where to write the recording.
    #[arg(long, global = true, value_name = "FILE", default_value = "recording.tsv")]
    out: PathBuf,
}

impl Record {
    /// Runs the workload and reports on it as `run` does.
    ///
    /// # Errors
    /// As `run`. A recording that was there before is still there then.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let latencies = latency::file(&self.workload, &self.common)?;
        let output = Output::open(&self.out, self.workload.input())?;
        if latencies.as_ref().is_some_and(|latencies| latencies.is(&output)) {
            return Err(Failure::Usage("--out and --latencies name one file".to_owned()));
        }
        let (report, outcome) = run(&self.workload, &self.common, output.place())?;
        output.keep()?;
        if let (Some(output), Some(times)) = (latencies, &outcome.op_times) {
            latency::write_buckets(times, output)?;
        }
        if self.common.json {
            emit(&(report.json() + "\n"))
        } else {
            emit(&report.text(&outcome.notes))?;
            emit(&format!("recording       {}\n", self.out.display()))
        }
    }
}

/// Runs a workload, recorded from the making of its heap to its end; its report and what it handed back.
pub(super) fn run(workload: &Workload, common: &Common, out: &Path) -> Result<(Report, Outcome), Failure> {
    let mut bench = Bench::new(common)?;
    let failed = |error: greyset::RecordError| Failure::Run(error.to_string());
    let recording = bench.heap().record(out).map_err(failed)?;
    machine::reset_peak_rss();
    let (report, outcome) = workload.report_on(&mut bench, common)?;
    recording.finish().map_err(failed)?;
    Ok((report, outcome))
}
