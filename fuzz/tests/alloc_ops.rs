//! The allocator against its model, with random steps that shrink.

use greyset_fuzz::alloc_ops::{Step, run_steps};
use proptest::prelude::*;

fn step() -> impl Strategy<Value = Step> {
    let any8 = any::<u8>;
    prop_oneof![
        6 => (any::<bool>(), any8(), any::<u16>()).prop_map(|(second, kind, size)| Step::Alloc { second, kind, size }),
        3 => (any::<bool>(), any8(), any::<u16>()).prop_map(|(second, kind, count)| Step::Burst { second, kind, count }),
        3 => any::<u16>().prop_map(Step::Kill),
        1 => any8().prop_map(Step::KillMost),
        4 => Just(Step::Advance),
        3 => (any::<bool>(), 1u8..20).prop_map(|(mutator, pages)| Step::Sweep { mutator, pages }),
        1 => (1u8..100).prop_map(Step::GiveBack),
        1 => (any::<bool>(), any8()).prop_map(|(commit, nth)| Step::Fail { commit, nth }),
        1 => any8().prop_map(Step::Limit),
        1 => Just(Step::Verify),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_allocator_behaves_as_the_model(steps in prop::collection::vec(step(), 1..120)) {
        run_steps(steps);
    }
}
