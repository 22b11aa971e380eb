//! Writes the implementations.
//!
//! For `struct Node<'gc, T> { key: u64, next: Slot<'gc, T> }`, in short:
//!
//! ```text
//! unsafe impl<'gc, T> Trace<'gc> for Node<'gc, T> where T: Trace<'gc> {
//!     fn trace(&self, tracer: &mut Tracer<'gc>) {
//!         let Self { key, next } = self;                  // no field more or less
//!         let _: (&u64, &Slot<'gc, T>) = (key, next);     // of the types that were read
//!         self.key.trace(tracer);
//!         self.next.trace(tracer);
//!     }
//! }
//! unsafe impl<'gc, T> Shaped<'gc> for Node<'gc, T> where T: Shaped<'gc> {
//!     const SHAPE: Shape = Shape::Leaf.with(offset of key, u64::SHAPE).with(…);    // taken in `Self::PLACE`
//! }
//! unsafe impl<T> Managed for Node<'static, T> where T: Managed { type At<'gc> = Node<'gc, T::At<'gc>>; }
//! unsafe impl<'gc, T> Branded<'gc> for Node<'gc, T> where T: Branded<'gc> { type Static = Node<'static, T::Static>; }
//! impl<'gc, T> MustNotImplDrop for Node<'gc, T> {}    // conflicts with a blanket implementation for all that have Drop
//! ```
//!
//! What was read may not be what is compiled: an attribute macro below the derive may add a field or give one another type, and
//! a crate can give another one the name `greyset`. So the patterns name every field, types are compared, and proofs (no
//! `Drop`, nothing hidden in a skipped field) are not asked of a path. Since a crate can call another one `core` as well, they hang on what
//! only the true traits of the heap have: bounds and a constant of their own, and the rule that a method's bounds follow from its trait's.

use crate::input::{Body, Heap, Part};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Lifetime;
use syn::spanned::Spanned;

/// All implementations of the derive.
pub(crate) fn implementations(heap: &Heap<'_>) -> TokenStream {
    let (trace, shaped) = (trace(heap), shaped(heap));
    let (managed, branded) = (managed(heap), branded(heap));
    let no_drop = no_drop(heap);
    quote! {
        #[automatically_derived]
        #[doc(hidden)]
        const _: () = {
            #trace
            #shaped
            #managed
            #branded
            #no_drop
        };
    }
}

/// The type with its own parameters: `Node<'gc, T>`.
fn own_type(heap: &Heap<'_>) -> TokenStream {
    let brand = &heap.family.brand;
    let arguments = heap.family.arguments(&quote!(#brand), |param| quote!(#param));
    let name = heap.name;
    quote!(#name #arguments)
}

fn trace(heap: &Heap<'_>) -> TokenStream {
    let (params, ty, brand) = (heap.family.branded_params(), own_type(heap), &heap.family.brand);
    let bounds = heap.family.branded_bounds(Some(quote!(::greyset::Trace<#brand>)));
    let body = match &heap.body {
        Body::Struct(parts) => {
            let (pattern, same) = fields(&quote!(Self), parts);
            let values = parts.iter().map(|part| {
                let member = &part.member;
                trace_part(part, brand, &quote_spanned!(part.ty.span()=> &self.#member))
            });
            quote! {
                let #pattern = self;
                #same
                #(#values)*
            }
        }
        Body::Enum(variants) if variants.is_empty() => quote!(match *self {}),
        Body::Enum(variants) => {
            let arms = variants.iter().map(|(variant, parts)| trace_variant(variant, brand, parts));
            quote!(match self { #(#arms)* })
        }
    };
    quote! {
        // SAFETY: every field is traced, or proved to be a leaf; so the type is as fit for the heap as its fields are. It
        // has no destructor of its own (below).
        unsafe impl<#params> ::greyset::Trace<#brand> for #ty #bounds {
            #[inline]
            fn trace(&self, __tracer: &mut ::greyset::Tracer<#brand>) {
                let _ = &__tracer;
                #body
            }

            // The trait's own method has the true `Drop` here: with a false one that it does not imply this is an error.
            #[inline(always)]
            fn drop_is_drop<D: ?::core::marker::Sized + ::core::ops::Drop>() {}
        }
    }
}

fn trace_variant(variant: &Ident, brand: &Lifetime, parts: &[Part<'_>]) -> TokenStream {
    let (pattern, same) = fields(&quote!(Self::#variant), parts);
    let values = parts.iter().zip(names(parts)).map(|(part, name)| trace_part(part, brand, &quote!(#name)));
    quote! {
        #pattern => {
            #same
            #(#values)*
        }
    }
}

/// A pattern that names every field, and a proof that each is of the type that was read: in a tuple, where nothing is coerced.
fn fields(of: &TokenStream, parts: &[Part<'_>]) -> (TokenStream, Option<TokenStream>) {
    let (members, types) = (parts.iter().map(|part| &part.member), parts.iter().map(|part| part.ty));
    let names: Vec<Ident> = names(parts).collect();
    let pattern = quote!(#of { #(#members: #names),* });
    let same = (!parts.is_empty()).then(|| {
        quote! {
            let __fields = (#(#names,)*);
            let _: (#(&#types,)*) = __fields;
        }
    });
    (pattern, same)
}

/// What [`fields`] calls them.
fn names(parts: &[Part<'_>]) -> impl Iterator<Item = Ident> {
    (0..parts.len()).map(|at| format_ident!("__field{at}"))
}

/// Traces a field, or proves that there is no need to. Errors point at the field's type.
fn trace_part(part: &Part<'_>, brand: &Lifetime, value: &TokenStream) -> TokenStream {
    let ty = part.ty;
    if part.skip {
        quote_spanned!(ty.span()=> <Self as ::greyset::Trace<#brand>>::skipped_fields_are_static::<#ty>();)
    } else {
        quote_spanned!(ty.span()=> ::greyset::Trace::trace(#value, __tracer);)
    }
}

fn shaped(heap: &Heap<'_>) -> TokenStream {
    let (params, ty, brand) = (heap.family.branded_params(), own_type(heap), &heap.family.brand);
    let bounds = heap.family.branded_bounds(Some(quote!(::greyset::Shaped<#brand>)));
    let shape = match &heap.body {
        Body::Struct(parts) => {
            let fields = parts.iter().filter(|part| !part.skip).map(|part| {
                let (member, shape) = (&part.member, shape_of(part, brand));
                quote!(.with(
                    {
                        let place = <Self as ::greyset::Shaped<#brand>>::PLACE;
                        let value = place.as_ptr();
                        // SAFETY: both lie in the place. Nothing is read.
                        unsafe { (&raw const (*value).#member).byte_offset_from(value) as usize }
                    },
                    #shape
                ))
            });
            quote!(::greyset::Shape::Leaf #(#fields)*)
        }
        Body::Enum(variants) => {
            let parts = variants.iter().flat_map(|(_, parts)| parts).filter(|part| !part.skip);
            let shapes = parts.map(|part| shape_of(part, brand));
            quote!(::greyset::Shape::Leaf #(.either(#shapes))*)
        }
    };
    let name = heap.name.to_string();
    let (types, consts) = (heap.family.varying(), heap.family.const_params());
    quote! {
        // SAFETY: the shape of each field at the field's offset; of an enum, whose fields have no fixed place, a leaf only
        // if all fields of all variants are. Skipped fields hold no reference.
        unsafe impl<#params> ::greyset::Shaped<#brand> for #ty #bounds {
            const SHAPE: ::greyset::Shape = #shape;
            const HASH: u64 = {
                let hash = ::greyset::__private::hash_site(
                    ::core::module_path!(), #name, ::core::line!(), ::core::column!(),
                );
                #(let hash = ::greyset::__private::mix(hash, <#types as ::greyset::Shaped<#brand>>::HASH);)*
                #(let hash = ::greyset::__private::mix(hash, #consts as u64);)*
                hash
            };
        }
    }
}

fn shape_of(part: &Part<'_>, brand: &Lifetime) -> TokenStream {
    let ty = part.ty;
    quote_spanned!(ty.span()=> <#ty as ::greyset::Shaped<#brand>>::SHAPE)
}

fn managed(heap: &Heap<'_>) -> TokenStream {
    let (family, name) = (&heap.family, heap.name);
    let (params, bounds) = (family.key_params(), family.key_bounds());
    let key = family.arguments(&quote!('static), |param| quote!(#param));
    let member = family.arguments(&quote!('__at), |param| quote!(<#param as ::greyset::Managed>::At<'__at>));
    let description = family.is_plain().then(|| {
        // A `static`, so that it has one address wherever it is used.
        quote! {
            const DESCRIPTION: &'static ::greyset::__private::GcType = {
                static DESCRIPTION: ::greyset::__private::GcType =
                    ::greyset::__private::GcType::of::<#name #key>();
                &DESCRIPTION
            };
        }
    });
    quote! {
        // SAFETY: the same type but for its lifetime and the families of its parameters.
        unsafe impl<#params> ::greyset::Managed for #name #key #bounds {
            type At<'__at> = #name #member;
            #description
        }
    }
}

fn branded(heap: &Heap<'_>) -> TokenStream {
    let (family, name, brand) = (&heap.family, heap.name, &heap.family.brand);
    let (params, ty) = (family.branded_params(), own_type(heap));
    let bounds = family.branded_bounds(Some(quote!(::greyset::Branded<#brand>)));
    let key =
        family.arguments(&quote!('static), |param| quote!(<#param as ::greyset::Branded<#brand>>::Static));
    quote! {
        // SAFETY: the same type but for its lifetime and the families of its parameters.
        unsafe impl<#params> ::greyset::Branded<#brand> for #ty #bounds {
            type Static = #name #key;
        }
    }
}

/// A proof by conflict: every type with `Drop` has the trait already.
fn no_drop(heap: &Heap<'_>) -> TokenStream {
    let (params, ty, bounds) =
        (heap.family.branded_params(), own_type(heap), heap.family.branded_bounds(None));
    let conflict = quote_spanned!(heap.name.span()=> impl<#params> MustNotImplDrop for #ty #bounds {});
    quote! {
        trait MustNotImplDrop {}
        impl<T: ?::core::marker::Sized + ::core::ops::Drop> MustNotImplDrop for T {}
        #conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn written(input: &syn::DeriveInput) -> String {
        Heap::read(input)
            .map(|heap| implementations(&heap).to_string())
            .unwrap_or_else(|error| error.to_string())
    }

    /// No test can put an attribute macro below the derive that changes what it has read: this is what refuses it.
    #[test]
    fn every_field_is_named_and_its_type_compared() {
        let read = parse_quote! {
            struct Node<'gc> { key: u64, #[trace(skip)] next: Other }
        };
        let text = written(&read);
        let body = quote! {
            let Self { key: __field0, next: __field1 } = self;
            let __fields = (__field0, __field1,);
            let _: (&u64, &Other,) = __fields;
        };
        assert!(text.contains(&body.to_string()), "{text}");
        let read = parse_quote! {
            enum Tree<'gc> { Leaf, Node(Gc<'gc, Self>) }
        };
        let text = written(&read);
        let (pattern, same) = (
            quote!(Self::Node { 0: __field0 }),
            quote! {
                let __fields = (__field0,);
                let _: (&Gc<'gc, Self>,) = __fields;
            },
        );
        assert!(text.contains(&pattern.to_string()) && text.contains(&same.to_string()), "{text}");
    }
}
