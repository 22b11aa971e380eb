//! Every seed of the fuzzers, and every input that once made one fail, goes through its target.

use greyset_fuzz::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn every_file_passes() {
    for (name, body) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut seeds = 0;
        for entry in fs::read_dir(&folder).expect("a folder of seeds") {
            let path = entry.expect("an entry").path();
            println!("{}", path.display()); // shown if it fails
            body(&fs::read(path).expect("a seed"));
            seeds += 1;
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}
