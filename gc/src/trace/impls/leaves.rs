//! Leaves: `'static` data without references into the heap.
//!
//! Every type here is `'static + Send + Sync`, which each implementation asks of the compiler.

use crate::trace::{Branded, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use greyset_sync::atomic as sync_atomic;
use std::marker::PhantomData;
use std::num;
use std::sync::Arc;

/// Compile-time proof that data may be seen and dropped by other threads.
pub(crate) const fn assert_leaf<T: ?Sized + Send + Sync + 'static>() {}

/// All four traits for leaf types, with their parameters and bounds.
macro_rules! leaves {
    ($([$($parameters:tt)*] $ty:ty;)*) => { $(
        // SAFETY: the type holds no reference into the heap: it is `'static` (rule 3), while a `Gc` in safe hands is not
        // (rule 1). It is `Send + Sync` (rule 2), checked here, and its `Drop` can reach no reference (rule 4).
        unsafe impl<'gc, $($parameters)*> Trace<'gc> for $ty {
            #[inline(always)]
            fn trace(&self, _: &mut Tracer<'gc>) {
                const { $crate::trace::assert_leaf::<$ty>() }
            }
        }
        // SAFETY: `trace` reports nothing.
        unsafe impl<'gc, $($parameters)*> Shaped<'gc> for $ty {
            const SHAPE: Shape = Shape::Leaf;
            const HASH: u64 = hash_site("leaf", stringify!($ty), size_of::<$ty>() as u32, 0);
            const PLAIN: bool = true;
        }
        // SAFETY: one type without a lifetime is its own family.
        unsafe impl<$($parameters)*> Managed for $ty {
            type At<'gc> = $ty;
            $crate::trace::impls::describe!([$($parameters)*] $ty);
        }
        // SAFETY: as above.
        unsafe impl<'gc, $($parameters)*> Branded<'gc> for $ty {
            type Static = $ty;
        }
    )* };
}
pub(crate) use leaves;

/// A `static` description where there are no parameters.
macro_rules! describe {
    ([] $ty:ty) => {
        $crate::__private::description!($ty);
    };
    ([$($parameters:tt)+] $ty:ty) => {};
}
pub(crate) use describe;

leaves! {
    [] ();
    [] bool;
    [] char;
    [] u8;
    [] u16;
    [] u32;
    [] u64;
    [] u128;
    [] usize;
    [] i8;
    [] i16;
    [] i32;
    [] i64;
    [] i128;
    [] isize;
    [] f32;
    [] f64;
    [] num::NonZeroU8;
    [] num::NonZeroU16;
    [] num::NonZeroU32;
    [] num::NonZeroU64;
    [] num::NonZeroU128;
    [] num::NonZeroUsize;
    [] num::NonZeroI8;
    [] num::NonZeroI16;
    [] num::NonZeroI32;
    [] num::NonZeroI64;
    [] num::NonZeroI128;
    [] num::NonZeroIsize;
    [] String;
    [] std::path::PathBuf;
    [] std::ffi::OsString;
    [] std::ffi::CString;
    [] std::borrow::Cow<'static, str>;
    [] std::time::Duration;
    [] std::time::Instant;
    [] std::time::SystemTime;
    [] std::cmp::Ordering;
    [] std::net::IpAddr;
    [] std::net::SocketAddr;
    [] std::any::TypeId;
    [] std::thread::ThreadId;
    [] std::hash::RandomState;
    [] sync_atomic::AtomicBool;
    [] sync_atomic::AtomicU8;
    [] sync_atomic::AtomicU32;
    [] sync_atomic::AtomicU64;
    [] sync_atomic::AtomicUsize;
    [T: ?Sized + Sync + 'static] &'static T;
    [T: ?Sized + Send + Sync + 'static] Arc<T>;
    [T: ?Sized + Send + Sync + 'static] std::sync::Weak<T>;
}

// SAFETY: there is no value inside, so nothing to report, share or drop.
unsafe impl<'gc, T: ?Sized + 'gc> Trace<'gc> for PhantomData<T> {
    #[inline(always)]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: `trace` reports nothing.
unsafe impl<'gc, T: ?Sized + 'gc> Shaped<'gc> for PhantomData<T> {
    const SHAPE: Shape = Shape::Leaf;
    const HASH: u64 = hash_site("leaf", "PhantomData", 0, 0);
    const PLAIN: bool = true;
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for PhantomData<T> {
    type At<'gc> = PhantomData<T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for PhantomData<T> {
    type Static = PhantomData<T::Static>;
}

// SAFETY: characters are leaves; the unsized type is here for `Gc<str>` fields, made by projection.
unsafe impl<'gc> Trace<'gc> for str {
    #[inline(always)]
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
