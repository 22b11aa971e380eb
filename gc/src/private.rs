//! What `#[derive(Trace)]` and `assert_collectable!` write code with. Not for use by hand, and not covered by any promise of stability.

pub use crate::trace::{GcType, hash_site, mix};
pub use crate::verify::{assert_collectable, assert_collectable_in};

/// `DESCRIPTION` of a family without parameters: a `static`, so that it has one address wherever it is used.
#[macro_export]
#[doc(hidden)]
macro_rules! __description {
    ($family:ty) => {
        const DESCRIPTION: &'static $crate::__private::GcType = {
            static DESCRIPTION: $crate::__private::GcType = $crate::__private::GcType::of::<$family>();
            &DESCRIPTION
        };
    };
}
pub use crate::__description as description;
