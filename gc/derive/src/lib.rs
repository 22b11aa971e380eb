//! `#[derive(Trace)]` for greyset: makes a type one that can live in the heap.
//!
//! 1. `input` reads the type and rejects what can never be traced, with the reason.
//! 2. `family` works out its lifetime, its parameters and the bounds of each implementation.
//! 3. `emit` writes the implementations: `Trace`, `Shaped`, `Managed`, `Branded`, and the proof that it has no `Drop`.
//!
//! What it never does: decide whether a field's type is traceable. That is the compiler's business, by the trait bounds of
//! the code written here.

mod emit;
mod family;
mod input;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `Trace` and with it `Shaped`, `Managed` and `Branded`: the type can then be allocated in a heap, stored in other
/// objects, rooted.
///
/// The type has at most one lifetime, which is its brand: `struct Node<'gc> { next: Slot<'gc, Node<'gc>> }`. Every field is
/// traced. A field with data the collector need not look into, and whose type is not `Trace`, can be
///
/// - wrapped: `Static<T>`; or
/// - marked `#[trace(skip)]`; the compiler checks that it is `'static + Send + Sync`, so no reference can hide in it.
///
/// The type must not implement `Drop`: what it refers to may be gone by then. A field of type `Static<T>` may.
///
/// Rejected with an explanation: unions, raw pointers, references other than `&'static`, bare function pointers (wrap them
/// in `Static`), more than one lifetime.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let expanded = input::Heap::read(&input).map(|heap| emit::implementations(&heap));
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
