//! One program of a comparison: started as a process of its own, watched while it runs, its report read.
use crate::failure::Failure;
use crate::latency;
use crate::machine;
use crate::report::Report;
use hdrhistogram::Histogram;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// Between two looks at the memory of a running program.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A program that takes longer than this is stopped.
const LONGEST: Duration = Duration::from_secs(600);
/// Points of a memory curve that are kept.
const POINTS: usize = 400;

/// A program that prints a report.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in tables and messages.
    pub label: String,
    /// The executable.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it reported.
    pub report: Report,
    /// Times of its operations, if it was asked for them.
    pub times: Option<Histogram<u64>>,
    /// Resident bytes by seconds since its start.
    pub memory: Vec<(f64, u64)>,
}

/// What a process left behind.
struct Ended {
    status: ExitStatus,
    output: String,
    errors: String,
    memory: Vec<(f64, u64)>,
    stopped: bool,
}

impl Program {
    /// Runs it to its end. With `latencies` it also writes its operation times to that file, which are read.
    ///
    /// # Errors
    /// If it does not start, ends with an error, or prints no report; each says which program and what it said.
    pub fn run(&self, latencies: Option<&Path>) -> Result<Run, Failure> {
        let mut command = Command::new(&self.command);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // They would win over the arguments, in greyset's rows only.
        settings().for_each(|name| _ = command.env_remove(name));
        if let Some(path) = latencies {
            command.arg("--latencies").arg(path);
        }
        let started = command.spawn();
        let child =
            started.map_err(|e| self.failed(format!("cannot start {}: {e}", self.command.display())))?;
        let ended = watch(child).map_err(|e| self.failed(e.to_string()))?;
        let mut report = self.read(&ended)?;
        let times = latencies.map(latency::read_buckets).transpose()?;
        report.ops_over_1ms = times.as_ref().map(latency::over_1ms);
        Ok(Run { report, times, memory: ended.memory })
    }

    /// The report in what the process has printed.
    fn read(&self, ended: &Ended) -> Result<Report, Failure> {
        if ended.stopped {
            return Err(self.failed(format!("still not done after {} s, stopped", LONGEST.as_secs())));
        }
        if !ended.status.success() {
            return Err(self.failed(format!("{}: {}", ended.status, first_line(&ended.errors))));
        }
        let line = ended.output.lines().last().unwrap_or_default();
        let report: Report = serde_json::from_str(line)
            .map_err(|e| self.failed(format!("printed no report ({e}): {}", first_line(&ended.output))))?;
        for (field, value) in [
            ("wall_s", report.wall_s),
            ("ops", report.ops as f64),
            ("max_rss_bytes", report.max_rss_bytes as f64),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(self.failed(format!("its report says {field} {value}, must be above 0")));
            }
        }
        Ok(report)
    }

    /// A failure of this program.
    pub fn failed(&self, why: String) -> Failure {
        Failure::Run(format!("{}: {why}", self.label))
    }
}

/// The variables of the environment that are settings of greyset.
pub fn settings() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.as_encoded_bytes().starts_with(b"GREYSET_"))
}

/// Waits for the end of a process, looking at its memory.
fn watch(mut child: Child) -> std::io::Result<Ended> {
    let (since, mut memory, mut stopped) = (Instant::now(), Vec::new(), false);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    scope(|scope| {
        let [output, errors] = [scope.spawn(|| text_of(out)), scope.spawn(|| text_of(err))];
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if since.elapsed() > LONGEST && !stopped {
                stopped = true;
                child.kill()?;
            }
            memory.extend(machine::rss_of(child.id()).map(|bytes| (since.elapsed().as_secs_f64(), bytes)));
            sleep(LOOK_EVERY);
        };
        let [output, errors] = [output, errors].map(|thread| thread.join().unwrap_or_default());
        Ok(Ended { status, output, errors, memory: thinned(memory), stopped })
    })
}

fn text_of(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // What could be read until then is what there is to say.
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// At most [`POINTS`] of the samples: of neighbours, the largest.
fn thinned(memory: Vec<(f64, u64)>) -> Vec<(f64, u64)> {
    let group = memory.len().div_ceil(POINTS).max(1);
    memory.chunks(group).filter_map(|near| near.iter().copied().max_by_key(|(_, bytes)| *bytes)).collect()
}

/// The first line that says anything, cut to a length that fits a message.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| "it said nothing".to_owned(), |line| line.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"workload":"w","params":{},"wall_s":0.5,"cpu_s":0.4,"ops":10,"ops_per_s":20,
        "max_rss_bytes":4096,"check":"fine","gc":{"cycles":3},"op_ns":{"count":1,"p50":1,"p99":2,"p999":3,"p9999":4,"max":5}}"#;

    fn shell(script: &str) -> Program {
        let args = vec!["-c".to_owned(), script.to_owned(), "sh".to_owned()];
        Program { label: "a peer".to_owned(), command: "sh".into(), args }
    }

    fn prints(report: &str) -> Program {
        shell(&format!("echo '{}'", report.replace('\n', " ")))
    }

    fn failure(program: &Program) -> String {
        program.run(None).expect_err("it fails").to_string()
    }

    #[test]
    fn a_report_is_read_with_what_a_peer_leaves_out() {
        let report = prints(REPORT).run(None).expect("a report").report;
        assert_eq!((report.ops, report.check.as_str()), (10, "fine"));
        assert_eq!(report.op_ns.map(|p| p.p9999), Some(4));
        assert_eq!(report.gc.map(|gc| (gc.cycles, gc.peak_bytes)), Some((3, 0)));
        let plain = prints(&REPORT.replace(r#","gc":{"cycles":3}"#, "")).run(None).expect("a report");
        assert!(plain.report.gc.is_none());
    }

    #[test]
    fn operation_times_come_from_the_file_it_was_given() {
        let path = std::env::temp_dir().join(format!("gc-bench-program-{}.tsv", std::process::id()));
        let writes =
            shell(&format!("printf '70\\t9\\n8000\\t1\\n' > \"$2\"; echo '{}'", REPORT.replace('\n', " ")));
        let times = writes.run(Some(&path)).expect("a report").times.expect("times");
        assert_eq!((times.len(), times.value_at_quantile(0.5)), (10, 70));
        std::fs::remove_file(&path).expect("written");
        let silent = prints(REPORT).run(Some(&path)).expect_err("no file").to_string();
        assert!(silent.contains("gc-bench-program"), "{silent}");
    }

    #[test]
    fn every_way_to_fail_says_which_program_and_what() {
        for (program, says) in [
            (shell("echo check failed: two >&2; exit 1"), "exit status: 1: check failed: two"),
            (shell("exit 3"), "exit status: 3: it said nothing"),
            (shell("kill -9 $$"), "signal: 9"),
            (shell("echo hello"), "printed no report"),
            (shell("true"), "printed no report"),
            (prints(&REPORT.replace("wall_s", "wall")), "missing field `wall_s`"),
            (prints(&REPORT.replace("0.5", "0")), "wall_s 0, must be above 0"),
            (prints(&REPORT.replace("0.5", "\"x\"")), "printed no report"),
            (prints(&REPORT.replace("4096", "0")), "max_rss_bytes 0"),
        ] {
            let failure = failure(&program);
            assert!(failure.starts_with("a peer: ") && failure.contains(says), "{says}: {failure}");
        }
        let nowhere = Program { command: "/nowhere/at/all".into(), ..shell("") };
        assert!(failure(&nowhere).contains("cannot start /nowhere/at/all"));
    }

    #[test]
    fn a_long_curve_keeps_its_peaks() {
        let memory = (0..10_000).map(|i| (f64::from(i), if i == 4321 { 99 } else { 1 })).collect::<Vec<_>>();
        let thin = thinned(memory);
        assert!(thin.len() <= POINTS && thin.contains(&(4321.0, 99)));
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
    }
}
