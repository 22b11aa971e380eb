//! Reads a type definition and rejects what can never be traced.
//!
//! Every rejection says what to do instead. All of them are reported at once.

use crate::family::Family;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, GenericArgument, Ident, Member, PathArguments, Type,
    TypeReference,
};

/// A type that is to live in the heap.
pub(crate) struct Heap<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) family: Family<'a>,
    pub(crate) body: Body<'a>,
}

/// What it is made of.
pub(crate) enum Body<'a> {
    /// A struct.
    Struct(Vec<Part<'a>>),
    /// An enum, by variants.
    Enum(Vec<(&'a Ident, Vec<Part<'a>>)>),
}

/// A field.
pub(crate) struct Part<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    /// Marked `#[trace(skip)]`.
    pub(crate) skip: bool,
}

impl<'a> Heap<'a> {
    pub(crate) fn read(input: &'a DeriveInput) -> Result<Heap<'a>, Error> {
        let mut errors = Errors::default();
        for attribute in input.attrs.iter().filter(|a| a.path().is_ident("trace")) {
            errors.add(attribute.span(), "`#[trace(…)]` belongs on a field: `#[trace(skip)]`");
        }
        let family = errors.keep(Family::of(&input.generics));
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(parts(&data.fields, &mut errors)),
            Data::Enum(data) => {
                Body::Enum(data.variants.iter().map(|v| (&v.ident, parts(&v.fields, &mut errors))).collect())
            }
            Data::Union(data) => {
                errors.add(
                    data.union_token.span,
                    "a union cannot be traced: the collector could not know which field is there; use an enum",
                );
                Body::Struct(Vec::new())
            }
        };
        errors.finish()?;
        family.map(|family| Heap { name: &input.ident, family, body })
    }
}

fn parts<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Part<'a>> {
    let parts = fields.iter().zip(fields.members());
    parts
        .map(|(field, member)| {
            let skip = is_skipped(field, errors);
            if !skip {
                check_type(&field.ty, errors);
            }
            Part { member, ty: &field.ty, skip }
        })
        .collect()
}

fn is_skipped(field: &Field, errors: &mut Errors) -> bool {
    let mut skip = false;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("trace")) {
        match read_skip(attribute) {
            Ok(()) => skip = true,
            Err(error) => errors.push(error),
        }
    }
    skip
}

fn read_skip(attribute: &Attribute) -> Result<(), Error> {
    let mut found = false;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("skip") {
            return Err(meta.error("unknown option of `trace`: there is only `#[trace(skip)]`"));
        }
        found = true;
        Ok(())
    })?;
    if found { Ok(()) } else { Err(Error::new(attribute.span(), "write `#[trace(skip)]`")) }
}

/// Looks for what can be seen to be untraceable without knowing any other type.
fn check_type(ty: &Type, errors: &mut Errors) {
    match ty {
        Type::Ptr(_) => errors.add(
            ty.span(),
            "a raw pointer cannot be traced: use `Gc<'gc, T>` for an object of the heap; for foreign memory a type of your \
             own that is `Send + Sync`, in `Static`",
        ),
        Type::Reference(reference) if borrows(reference) => errors.add(
            ty.span(),
            "a value in the heap cannot borrow, since nothing says when it ends: use `Gc<'gc, T>`, or own the data",
        ),
        Type::FnPtr(_) => errors.add(ty.span(), "wrap the function pointer: `Static<fn(…) -> …>`"),
        Type::Array(array) => check_type(&array.elem, errors),
        Type::Slice(slice) => check_type(&slice.elem, errors),
        Type::Paren(paren) => check_type(&paren.elem, errors),
        Type::Group(group) => check_type(&group.elem, errors),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| check_type(ty, errors)),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            if last.ident == "Static" || last.ident == "Arc" || last.ident == "PhantomData" {
                return;
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
            for argument in &arguments.args {
                if let GenericArgument::Type(ty) = argument {
                    check_type(ty, errors);
                }
            }
        }
        _ => {}
    }
}

/// Is this anything but a `&'static`?
fn borrows(reference: &TypeReference) -> bool {
    reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
}

/// Errors met so far.
#[derive(Default)]
struct Errors {
    all: Option<Error>,
}

impl Errors {
    fn add(&mut self, at: Span, message: &str) {
        self.push(Error::new(at, message));
    }

    fn push(&mut self, error: Error) {
        match &mut self.all {
            Some(all) => all.combine(error),
            None => self.all = Some(error),
        }
    }

    /// Takes note of an error, which stays where it is.
    fn keep<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.push(error.clone());
        }
        result
    }

    fn finish(self) -> Result<(), Error> {
        self.all.map_or(Ok(()), Err)
    }
}
