//! The family of a type: its brand, its parameters, and the bounds of the implementations.
//!
//! For `struct Pair<'gc, T>` the key of the family is `Pair<'static, T>` with `T` a key, and its members are
//! `Pair<'gc, T>` with `T` a member: the parameter *varies* with the brand. A parameter declared `T: 'static` is *fixed*:
//! the same in the key and in all members.
//!
//! A varying parameter can have no bounds but those by traits of the collector: nothing could carry, say, `T: Ord` over from
//! one `'gc` to all others.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Error, GenericParam, Generics, Ident, Lifetime, Type, TypeParamBound, WherePredicate, parse_quote,
};

/// The generics of a heap type.
pub(crate) struct Family<'a> {
    generics: &'a Generics,
    types: Vec<Parameter<'a>>,
    /// The type's lifetime, or a fresh one if it has none.
    pub(crate) brand: Lifetime,
}

/// A type parameter.
struct Parameter<'a> {
    name: &'a Ident,
    /// Declared in the list of parameters or in the `where` clause.
    bounds: Vec<&'a TypeParamBound>,
}

impl Parameter<'_> {
    fn is_fixed(&self) -> bool {
        let mut bounds = self.bounds.iter();
        bounds.any(|bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static"))
    }

    /// The declared bounds, as a predicate.
    fn declared(&self) -> TokenStream {
        let (name, bounds) = (self.name, &self.bounds);
        quote!(#name: #(#bounds)+*)
    }
}

impl<'a> Family<'a> {
    pub(crate) fn of(generics: &'a Generics) -> Result<Family<'a>, Error> {
        let types = generics.type_params();
        let types =
            types.map(|param| Parameter { name: &param.ident, bounds: param.bounds.iter().collect() });
        let brand = brand_of(generics)?;
        let mut family = Family { generics, types: types.collect(), brand };
        for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            family.add(predicate)?;
        }
        family.types.iter().try_for_each(check_bounds)?;
        Ok(family)
    }

    /// Files a predicate of the `where` clause under its parameter.
    fn add(&mut self, predicate: &'a WherePredicate) -> Result<(), Error> {
        if let WherePredicate::Type(predicate) = predicate
            && let Type::Path(ty) = &predicate.bounded_ty
            && let Some(name) = ty.path.get_ident()
            && let Some(parameter) = self.types.iter_mut().find(|parameter| parameter.name == name)
        {
            parameter.bounds.extend(&predicate.bounds);
            return Ok(());
        }
        let message = "a type in the heap can have bounds on its parameters only; put this one on the `impl` that needs it";
        Err(Error::new_spanned(predicate, message))
    }

    /// The type parameters that vary with the brand.
    pub(crate) fn varying(&self) -> impl Iterator<Item = &'a Ident> {
        self.types.iter().filter(|parameter| !parameter.is_fixed()).map(|parameter| parameter.name)
    }

    /// Whether it has no parameters but its lifetime.
    pub(crate) fn is_plain(&self) -> bool {
        self.types.is_empty() && self.const_params().next().is_none()
    }

    pub(crate) fn const_params(&self) -> impl Iterator<Item = &'a Ident> {
        self.generics.const_params().map(|param| &param.ident)
    }

    /// `'gc, T, const N: usize`, for an implementation with the brand.
    pub(crate) fn branded_params(&self) -> TokenStream {
        let (brand, params) = (&self.brand, self.key_params());
        quote!(#brand, #params)
    }

    /// `T, const N: usize`, for an implementation without.
    pub(crate) fn key_params(&self) -> TokenStream {
        let params = self.generics.params.iter().filter_map(|param| match param {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(param) => Some(param.ident.to_token_stream()),
            GenericParam::Const(param) => {
                let (name, ty) = (&param.ident, &param.ty);
                Some(quote!(const #name: #ty))
            }
        });
        quote!(#(#params),*)
    }

    /// `<'gc, T, N>` with `lifetime` for the brand and `part(T)` for each parameter that varies.
    pub(crate) fn arguments(
        &self,
        lifetime: &TokenStream,
        part: impl Fn(&Ident) -> TokenStream,
    ) -> TokenStream {
        let arguments = self.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => lifetime.clone(),
            GenericParam::Type(param) if self.varying().any(|name| *name == param.ident) => {
                part(&param.ident)
            }
            GenericParam::Type(param) => param.ident.to_token_stream(),
            GenericParam::Const(param) => param.ident.to_token_stream(),
        });
        quote!(<#(#arguments),*>)
    }

    /// `where T: bound, …` for parameters that vary, with all bounds that were declared.
    pub(crate) fn branded_bounds(&self, bound: Option<TokenStream>) -> TokenStream {
        let bound = bound.into_iter();
        let varying = self.varying().flat_map(|name| bound.clone().map(move |bound| quote!(#name: #bound)));
        let declared = self.types.iter().map(Parameter::declared);
        quote!(where #(#varying,)* #(#declared,)*)
    }

    /// `where T: Managed, …` for parameters that vary, with the declared bounds of those that do not.
    pub(crate) fn key_bounds(&self) -> TokenStream {
        let varying = self.varying();
        let declared = self.types.iter().filter(|parameter| parameter.is_fixed()).map(Parameter::declared);
        quote!(where #(#varying: ::greyset::Managed,)* #(#declared,)*)
    }
}

fn brand_of(generics: &Generics) -> Result<Lifetime, Error> {
    let mut lifetimes = generics.lifetimes();
    let Some(lifetime) = lifetimes.next() else { return Ok(parse_quote!('__gc)) };
    if let Some(second) = lifetimes.next() {
        let message =
            "a type in the heap has at most one lifetime, the brand of its heap; all fields share it";
        return Err(Error::new_spanned(second, message));
    }
    match lifetime.bounds.first() {
        Some(bound) => Err(Error::new_spanned(bound, "the brand of a type in the heap cannot have bounds")),
        None => Ok(lifetime.lifetime.clone()),
    }
}

fn check_bounds(parameter: &Parameter<'_>) -> Result<(), Error> {
    let foreign = parameter.bounds.iter().find(|bound| !is_ours(bound));
    match foreign {
        Some(bound) if !parameter.is_fixed() => {
            let name = parameter.name;
            Err(Error::new_spanned(
                bound,
                format!(
                    "a parameter of a type in the heap cannot have this bound: put it on the `impl` that needs it, or \
                     declare `{name}: 'static` if no reference into the heap is meant to be in `{name}`"
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// Is this a bound by a trait that every parameter of a heap type has anyway?
fn is_ours(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else { return false };
    let name = bound.path.segments.last().map(|segment| segment.ident.to_string());
    matches!(name.as_deref(), Some("Trace" | "Shaped" | "Branded"))
}
