//! Every seed of the fuzz target `threads`, and every input that once made it fail, passes.

use std::fs;
use std::path::Path;

#[test]
fn every_file_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/threads");
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display()); // shown if it fails
        greyset_sim::bytes::run(&fs::read(path).expect("a seed"));
        seeds += 1;
    }
    assert!(seeds > 0, "there are no seeds");
}
