//! The peers on jemalloc.
#![forbid(unsafe_code)]

#[global_allocator]
static MALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    greyset_peers::main()
}
