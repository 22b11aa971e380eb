//! Where the document comes from, and the canonical form it must come back in.
use super::scan::Malformed;
use crate::failure::Failure;
use std::io::Read;
use std::process::Command;

/// Stack for `serde_json`, which recurses where this program does not.
const STACK_BYTES: usize = 64 << 20;

/// The name and the text of a file, of standard input for `-`, or of the default document.
pub fn read(file: Option<&str>) -> Result<(String, String), Failure> {
    let (name, bytes) = match file {
        None => ("cargo metadata".to_owned(), metadata()?),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|e| Failure::Usage(format!("cannot read standard input: {e}")))?;
            ("standard input".to_owned(), bytes)
        }
        Some(path) => {
            let bytes =
                std::fs::read(path).map_err(|e| Failure::Usage(format!("cannot read {path}: {e}")))?;
            (path.to_owned(), bytes)
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(e) => {
            let at = e.utf8_error().valid_up_to();
            Err(Failure::Usage(format!("{name}: {}", Malformed::at(e.as_bytes(), at, "not UTF-8"))))
        }
    }
}

/// What `cargo metadata` says about this workspace: with all dependencies if they are on this machine, else without.
/// Never uses the network.
fn metadata() -> Result<Vec<u8>, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let run = |extra: &[&str]| {
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version", "1", "--offline", "--manifest-path"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).args(extra).output()
    };
    for extra in [&["--filter-platform", &platform][..], &["--no-deps"]] {
        let output = run(extra);
        let output =
            output.map_err(|e| Failure::Usage(format!("cannot run cargo metadata ({e}): name a FILE")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
    }
    Err(Failure::Usage("cargo metadata failed: name a FILE".to_owned()))
}

/// The form `serde_json` gives the text: order and numbers kept, the last of equal keys in the place of the first.
pub fn canonical(text: &str) -> Result<String, Failure> {
    let convert = || -> serde_json::Result<String> {
        let mut input = serde_json::Deserializer::from_str(text);
        input.disable_recursion_limit();
        let value: serde_json::Value = serde::Deserialize::deserialize(&mut input)?;
        input.end()?;
        serde_json::to_string(&value)
    };
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, convert);
        thread.map(|thread| thread.join())
    });
    match done {
        Ok(Ok(Ok(text))) => Ok(text),
        Ok(Ok(Err(e))) => Err(Failure::Check(format!("serde_json refuses what this parser takes: {e}"))),
        Ok(Err(_)) | Err(_) => Err(Failure::Run("the canonical form could not be made".to_owned())),
    }
}
