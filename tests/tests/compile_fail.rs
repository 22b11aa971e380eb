//! What must not compile does not, for the reason meant; and what must compile does.
//!
//! Each file in `ui/` is rejected by the compiler with the message in its `.stderr`. To record messages anew:
//! `TRYBUILD=overwrite cargo test -p greyset-tests --test compile_fail`, and read every difference.
//!
//! The messages are those of one version of the compiler, with the source of std not installed (where it is, the compiler
//! quotes it). With any other it is only checked that each file is rejected.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version whose messages are recorded: the oldest the workspace builds with.
const RECORDED: &str = "1.95.";

/// What `rustc` says, asked the way cargo would.
fn rustc(args: &[&str]) -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(args).output().expect("a compiler");
    String::from_utf8(output.stdout).expect("text")
}

/// Whether this compiler words its messages as the recorded ones.
fn is_recorded() -> bool {
    let version = rustc(&["--version"]);
    let version = version.split(' ').nth(1).unwrap_or_default();
    let sysroot = rustc(&["--print", "sysroot"]);
    version.starts_with(RECORDED)
        && !version.contains('-')
        && !Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library").exists()
}

/// The files of `ui/` without the messages, elsewhere.
fn copies() -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    std::fs::create_dir_all(&to).expect("a folder");
    for file in Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").read_dir().expect("ui/") {
        let from = file.expect("an entry").path();
        if from.extension().is_some_and(|extension| extension == "rs") {
            std::fs::copy(&from, to.join(from.file_name().expect("a name"))).expect("a copy");
        }
    }
    to
}

#[test]
fn rejected_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    if is_recorded() || std::env::var_os("TRYBUILD").is_some() {
        return cases.compile_fail("ui/*.rs");
    }
    // SAFETY: nothing in this process reads the environment but Rust code, through std, which guards it by a lock.
    unsafe { std::env::set_var("TRYBUILD", "overwrite") };
    cases.compile_fail(copies().join("*.rs"));
}

#[test]
fn accepted_by_the_compiler() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
