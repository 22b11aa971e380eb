//! The contract between values in the heap and the collector.
//!
//! - [`Trace`] reports the references a value holds. `#[derive(Trace)]` is the safe way to have it.
//! - [`Shaped`] says at compile time where the references lie, so that the marker scans most objects without a call.
//! - [`Managed`] and [`Branded`] tie `Node<'static>`, the name of a family of types, to its members `Node<'gc>`.
//! - `GcType` is what the allocator and the marker know of a family at run time.
//!
//! What this module never does: follow a reference, read a colour, allocate. It turns values into addresses; what happens
//! to an address is the business of the [`Tracer`]'s sink.

mod gc_type;
mod hash;
pub(crate) mod impls;
mod shape;
mod tracer;

pub use gc_type::GcType;
pub(crate) use gc_type::gc_type;
#[doc(hidden)]
pub use hash::{hash_site, mix};
pub(crate) use impls::{assert_leaf, leaves};
pub use shape::{Rows, Shape, Words};
pub use tracer::Tracer;
pub(crate) use tracer::{EdgeSink, Outcome, Purpose};

use std::mem::MaybeUninit;
use std::ops::Range;

/// Makes a type invariant in a lifetime: neither longer nor shorter will do.
pub(crate) type Invariant<'gc> = std::marker::PhantomData<fn(&'gc ()) -> &'gc ()>;

/// A value that can live in the heap: it reports every reference it holds.
///
/// Derive it. Implementing it by hand is for data structures the derive cannot see through.
///
/// The trait can be a supertrait of a `dyn` type (`trait Draw<'gc>: Trace<'gc>`); objects are traced by the type they were
/// allocated with, never through the `dyn` table.
///
/// # Safety
/// 1. **Complete**: `trace` reports every [`Gc`](crate::Gc) the value holds, in whatever way, and calls `trace` of every
///    field that may hold one.
/// 2. **Shared**: other threads may read the value at any time while it is in the heap, and it is dropped on a thread of the
///    collector. Apart from the brand `'gc` it must be as good as `Send + Sync`: no `Cell`, no `Rc`, no pointer to data of
///    one thread.
/// 3. **Self-contained**: it borrows nothing that lives shorter than the heap.
/// 4. **No destructor that looks at references**: `Drop` glue runs after what the value refers to may be gone.
/// 5. `trace` does not allocate in the heap, does not block and takes no lock that a mutator may hold.
///
/// A panic in `trace` makes the collector give up the running cycle without freeing anything.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the heap: it is not `Trace`",
    label = "not `Trace`",
    note = "types of your own: `#[derive(Trace)]`; `'static` data that is `Send + Sync`: wrap it in `Static`",
    note = "what changes in place needs a write barrier: `Slot`, `WordSlot` or `Lock` instead of `Cell`, `RefCell` or `Mutex`"
)]
pub unsafe trait Trace<'gc>: 'gc {
    /// Reports every reference of this value to `t`.
    fn trace(&self, t: &mut Tracer<'gc>);

    /// Called by the derive for the type of each skipped field: its bounds are the proof that nothing is hidden there.
    #[doc(hidden)]
    #[inline(always)]
    fn skipped_fields_are_static<F: ?Sized + Send + Sync + 'static>()
    where
        Self: Sized,
    {
    }

    /// Written out by the derive, with what it takes for `Drop` as the bound: compiles only if the true `Drop` implies that.
    #[doc(hidden)]
    #[allow(drop_bounds, reason = "it is about this very trait")]
    fn drop_is_drop<D: ?Sized + Drop>()
    where
        Self: Sized,
    {
    }
}

/// A [`Trace`] type of known size whose references lie where [`SHAPE`](Shaped::SHAPE) says. Derive only.
///
/// # Safety
/// `SHAPE` covers every reference `trace` reports: a word it names holds null or the address of (the inside of) a live
/// object whenever another thread may look, and may be read atomically; [`Shape::Leaf`] means `trace` never reports any.
/// The hidden items are overridden by variable-length objects of this crate only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the heap: it is not `Trace`",
    label = "not `Trace`",
    note = "derive it: `#[derive(Trace)]`"
)]
pub unsafe trait Shaped<'gc>: Trace<'gc> + Sized {
    /// Where the references of a value lie.
    const SHAPE: Shape;

    /// A number that tells families apart with high probability; picks the allocation bin. Equal numbers cost time only.
    const HASH: u64;

    /// No value of the type ever holds a reference, and that is known without looking at its fields.
    ///
    /// Growable containers are leaves if their elements are plain. They cannot ask for the elements' `SHAPE`: in
    /// `struct Tree { kids: Vec<Tree> }` that would be defined by itself.
    const PLAIN: bool = false;

    /// A place for a value, with nothing in it: the derive computes offsets of fields from it.
    #[doc(hidden)]
    const PLACE: MaybeUninit<Self> = MaybeUninit::uninit();

    /// Bytes of an object; 0 for objects of variable length.
    #[doc(hidden)]
    const OBJECT_SIZE: usize = if size_of::<Self>() == 0 { 1 } else { size_of::<Self>() };

    /// Drop glue of an object, by its address.
    #[doc(hidden)]
    const OBJECT_DROP: Option<unsafe fn(*mut u8)> =
        if std::mem::needs_drop::<Self>() { Some(drop_value::<Self>) } else { None };

    /// Traces the object at `object`; of an array, the elements in `rows`.
    ///
    /// # Safety
    /// `object` is the address of a live object of this type, with provenance over all of it, and `rows` lies within it.
    #[doc(hidden)]
    unsafe fn trace_object(object: *const u8, rows: Range<usize>, t: &mut Tracer<'gc>) {
        let _ = rows;
        // SAFETY: by this function's contract there is a live `Self` at the address, and `Trace` allows sharing it.
        unsafe { &*object.cast::<Self>() }.trace(t);
    }
}

/// Runs the drop glue of the `T` at `object`.
///
/// # Safety
/// `object` points to a valid `T` that nobody else uses, now or later.
unsafe fn drop_value<T>(object: *mut u8) {
    // SAFETY: handed on from the caller.
    unsafe { object.cast::<T>().drop_in_place() }
}

/// The key of a family of heap types: `Node<'static>` stands for `Node<'gc>` of any `'gc`. Derive only.
///
/// It is what [`Root`](crate::Root) and [`Weak`](crate::Weak) are parameterised with, since they outlive any one `'gc`.
///
/// # Safety
/// `At<'gc>` is the same type as `Self` but for lifetimes, for every `'gc`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no family of heap types",
    label = "not the key of a family",
    note = "a family is written with `'static`, as in `Root<Node<'static>>`, and made by `#[derive(Trace)]`"
)]
pub unsafe trait Managed: Branded<'static, Static = Self> + 'static {
    /// The member of the family for the lifetime `'gc`.
    type At<'gc>: Branded<'gc, Static = Self>;

    /// What allocator and marker know of the family. The address is the family's identity in allocation; a constant of a
    /// generic implementation has one in each unit of code generation, which costs a slow path when two of them allocate in
    /// turn, so implementations without parameters point to a `static` ([`description`](crate::__private::description)).
    #[doc(hidden)]
    const DESCRIPTION: &'static GcType = &GcType::of::<Self>();
}

/// A member of a [`Managed`] family. Derive only.
///
/// # Safety
/// `Static` is the same type as `Self` but for lifetimes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be allocated in the heap: it is not `Trace`",
    label = "cannot be in the heap",
    note = "types of your own: `#[derive(Trace)]`; `'static` data that is `Send + Sync`: wrap it in `Static`",
    note = "what changes in place needs a write barrier: `Slot`, `WordSlot` or `Lock` instead of `Cell`, `RefCell` or `Mutex`"
)]
pub unsafe trait Branded<'gc>: Shaped<'gc> {
    /// The key of the family.
    type Static: Managed<At<'gc> = Self>;
}
