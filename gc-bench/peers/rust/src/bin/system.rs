//! The peers on the system's own malloc.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    greyset_peers::main()
}
