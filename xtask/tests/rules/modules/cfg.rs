//! Recognises code that is compiled for tests only.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Returns whether one of the attributes is a `cfg` that is true only in tests.
pub(crate) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(cfg) if cfg.path.is_ident("cfg") => inner(cfg).iter().any(requires_test),
        _ => false,
    })
}

fn requires_test(predicate: &Meta) -> bool {
    match predicate {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => inner(list).iter().any(requires_test),
        Meta::List(list) if list.path.is_ident("any") => inner(list).iter().all(requires_test),
        _ => false,
    }
}

fn inner(list: &syn::MetaList) -> Punctuated<Meta, Token![,]> {
    list.parse_args_with(Punctuated::parse_terminated).expect("a cfg is a list of predicates")
}
