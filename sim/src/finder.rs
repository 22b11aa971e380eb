//! The table of faults: each rule broken in turn, looked for and shrunk.
//!
//! Every fault has a process of its own. A run with a broken rule may write where it should not, and although it leaks all it
//! had, what it wrote over may be another run's: nothing of one fault's runs can be part of another's row, or end the table.

use crate::campaign::{self, Campaign};
use crate::output::{complain, emit};
use crate::record::{Record, on_a_thread};
use crate::{shrink, story};
use greyset_sync::Fault;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Seeds tried for a fault that does no harm.
const HARMLESS: u64 = 2000;

/// A process that takes longer is ended.
const LONGEST: Duration = Duration::from_secs(1200);

/// What a process says of its fault, a line each; the last one counts.
const FOUND: &str = "found";
const MISSED: &str = "missed";

/// Breaks each rule whose name contains `only`, and prints a table. Whether all were found.
///
/// # Errors
/// If no fault's name contains `only`, or no process can be started.
pub fn find_all(seeds: u64, only: &str, jobs: usize) -> Result<bool, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot start processes: {error}"))?;
    let faults: Vec<Fault> = Fault::ALL.iter().copied().filter(|fault| fault.name().contains(only)).collect();
    if faults.is_empty() {
        return Err(format!("no fault's name contains {only:?}: `gc-sim faults` lists them"));
    }
    let (next, all, error) = (AtomicUsize::new(0), AtomicBool::new(true), Mutex::new(None));
    emit("| fault | seeds until found | story | found as |\n| --- | --: | --: | --- |\n");
    let work = || {
        while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut command = Command::new(&program);
            command.args(["find-fault", fault.name(), &seeds.to_string()]);
            match row(&mut command) {
                Ok((row, is_found)) => {
                    all.fetch_and(is_found, Ordering::Relaxed);
                    emit(&format!("| {} | {row} |\n", fault.name()));
                }
                Err(why) => *error.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(why),
            }
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    match error.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(why) => Err(why),
        None => Ok(all.into_inner()),
    }
}

/// The rest of a row from what the process says, and whether the fault was found. A process may die while it shrinks what it
/// has found: the row then has no story.
fn row(command: &mut Command) -> Result<(String, bool), String> {
    let failed = |error: std::io::Error| format!("cannot start processes: {error}");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut last = None;
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        last = Some(line.map_err(failed)?);
    }
    let status = child.wait().map_err(failed)?;
    Ok(match last.as_deref().and_then(|line| line.split_once(' ')) {
        Some((FOUND, row)) => (row.to_owned(), true),
        Some((MISSED, row)) => (row.to_owned(), false),
        _ => (format!("**none** | | the process ended before it found anything: {status}"), false),
    })
}

/// Looks for one fault, prints what [`find_all`] reads: as soon as it is found, and again when it is shrunk. Ends the process if
/// that takes longer than twenty minutes: what has lost its tables may go round in them for ever.
pub fn find(fault: Fault, seeds: u64) {
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        complain(&format!("not done after {} s", LONGEST.as_secs()));
        std::process::exit(1);
    });
    let seeds = if fault.harmless().is_some() { seeds.min(HARMLESS) } else { seeds };
    let campaign = Campaign { from: 0, seeds, mutators: 0, strategy: None, fault: Some(fault), jobs: 1 };
    let result = on_a_thread(|| campaign::run(&campaign));
    match (result.found, fault.harmless()) {
        (Some(found), _) => {
            let (kind, seed) = (story::kind(&found.failure), found.record.seed + 1);
            emit(&format!("{FOUND} {seed} | – | {kind}\n"));
            if let Some(why) = fault.harmless() {
                emit(&format!(
                    "{MISSED} {seed} | | **found, although it should be harmless ({why})**: {kind}\n"
                ));
                return;
            }
            let healthy = Record { fault: None, ..found.record.clone() };
            if healthy.repeat(false).failure.is_some() {
                emit(&format!("{MISSED} {seed} | | **fails without the fault, too**: {kind}\n"));
                return;
            }
            if let Some(small) = shrink::shrink(&found.record) {
                emit(&format!("{FOUND} {seed} | {} | {kind}\n", story::length(&small.replay())));
            }
        }
        (None, Some(why)) => emit(&format!("{FOUND} none in {seeds} |  | harmless: {why}\n")),
        (None, None) => emit(&format!("{MISSED} **none in {seeds}** |  | not found\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_script(script: &str) -> (String, bool) {
        row(Command::new("sh").args(["-c", script])).expect("a shell")
    }

    #[test]
    fn a_process_that_dies_while_it_shrinks_has_found_something() {
        let found = of_script("echo 'found 3 | – | a panic'; kill -SEGV $$");
        assert_eq!(found, ("3 | – | a panic".to_owned(), true));
        let shrunk = of_script("echo 'found 3 | – | a panic'; echo 'found 3 | 12 | a panic'");
        assert_eq!(shrunk, ("3 | 12 | a panic".to_owned(), true));
    }

    #[test]
    fn a_process_that_says_nothing_has_not() {
        let (row, is_found) = of_script("kill -SEGV $$");
        assert!(row.contains("signal: 11") && !is_found, "{row}");
        let (row, is_found) = of_script("echo 'missed **none in 7** |  | not found'");
        assert!(row.contains("none in 7") && !is_found, "{row}");
        let (row, is_found) = of_script("");
        assert!(row.contains("exit status: 0") && !is_found, "{row}");
    }
}
