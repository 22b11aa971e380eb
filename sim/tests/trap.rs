//! Signals of the processor inside a task: a file of its own, since the handler is the whole process's.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use greyset_sim::sched::{self, Options, Report};
use greyset_sim::strategy::Strategy;
use greyset_sim::trap;

fn run(main: fn()) -> Report {
    let options = Options { limit: 100, story: true, ..Options::new(Strategy::replay(&[])) };
    sched::run(options, Box::new(main))
}

/// As the processor does it: the signal comes while the task's stack is in use.
fn send_itself(signal: i32) {
    // SAFETY: sends a signal to this thread, and its handler is set below.
    unsafe { libc::raise(signal) };
}

#[test]
fn a_signal_ends_the_run_and_the_next_one_goes_on() {
    trap::install();
    for (main, name) in
        [((|| send_itself(libc::SIGSEGV)) as fn(), "SIGSEGV"), (|| send_itself(libc::SIGILL), "SIGILL")]
    {
        let report = run(main);
        assert!(report.failure.is_some_and(|failure| failure.starts_with(name)));
        assert!(report.story.iter().any(|line| line.text.starts_with("FAILURE: SIG")));
    }
    assert_eq!(run(|| ()).failure, None);
}
