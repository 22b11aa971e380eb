//! What must not compile does not, for the reason meant; and what must compile does.
//!
//! Each file in `ui/` is rejected by the compiler with the message in its `.stderr`. To record messages anew:
//! `TRYBUILD=overwrite cargo test -p greyset-tests --test compile_fail`, and read every difference.

#[test]
fn rejected_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}

#[test]
fn accepted_by_the_compiler() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
