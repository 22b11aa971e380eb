//! Random operations of three mutators, interleaved with single steps of the collector, against a shadow model.
//!
//! Whatever the model says is reachable must be intact; what is not must be gone after a whole cycle; destructors,
//! cleanups and finalizer queues see each object once. `PROPTEST_CASES` sets the number of cases.

use greyset_tests::shadow::ops;
use greyset_tests::shadow::rig::Rig;
use proptest::prelude::*;

/// Cases, unless the environment says otherwise.
const CASES: u32 = 500;

fn config() -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { CASES };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn heap_does_what_its_shadow_does(ops in ops::rows()) {
        let done = Rig::new().run(&ops);
        prop_assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}
