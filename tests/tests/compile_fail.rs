//! What must not compile does not, for the reason meant; and what must compile does.
//!
//! Each file in `ui/` is rejected by the compiler with the message in its `.stderr`, and each in `ui/built/` when it is built:
//! `cargo check` does not see what is wrong there, an assertion about a generic function's own type. To record messages anew:
//! `TRYBUILD=overwrite cargo test -p greyset-tests --test compile_fail`, and read every difference.
//!
//! The messages are those of one version of the compiler, with the source of std not installed (where it is, the compiler
//! quotes it). With any other it is only checked that each file is rejected.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

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

/// The files of `folder` without the messages, elsewhere.
fn copies(folder: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&to).expect("a folder");
    for file in Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).read_dir().expect("a folder") {
        let from = file.expect("an entry").path();
        if from.extension().is_some_and(|extension| extension == "rs") {
            std::fs::copy(&from, to.join(from.file_name().expect("a name"))).expect("a copy");
        }
    }
    to
}

/// Whether messages count: asked once, since the answer no is written into the environment.
static MESSAGES_COUNT: LazyLock<bool> = LazyLock::new(|| {
    let count = is_recorded() || std::env::var_os("TRYBUILD").is_some();
    if !count {
        // SAFETY: nothing in this process reads the environment but Rust code, through std, which guards it by a lock.
        unsafe { std::env::set_var("TRYBUILD", "overwrite") };
    }
    count
});

/// Where the cases of `folder` are, with or without messages.
fn cases_in(folder: &str) -> PathBuf {
    if *MESSAGES_COUNT { Path::new(folder).join("*.rs") } else { copies(folder).join("*.rs") }
}

#[test]
fn rejected_by_the_compiler() {
    trybuild::TestCases::new().compile_fail(cases_in("ui"));
}

#[test]
fn rejected_when_built() {
    let cases = trybuild::TestCases::new();
    // With one that passes among them, all are built and not only checked.
    cases.pass("ui/pass/list.rs");
    cases.compile_fail(cases_in("ui/built"));
}

#[test]
fn accepted_by_the_compiler() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
