//! The peers on mimalloc.
#![forbid(unsafe_code)]

#[global_allocator]
static MALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    greyset_peers::main()
}
