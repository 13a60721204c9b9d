//! The tables of methods: name, kind, access rule, handler.
//!
//! A row without a access rule does not compile, nor does a row whose rule differs from the type
//! that its handler takes as its caller.

use futures_core::future::LocalBoxFuture;
use nacre_xrpc::{Kind, XrpcError};

use crate::Pds;
use crate::api::access::{Access, Public, Visitor};
use crate::api::{self, Call, Failure, Input, Output, Reply};
use crate::auth::{ActiveOwner, AnyRefresh, Operator, Owner, Refresh};

/// A row of a table, for tests.
#[cfg(test)]
struct Route {
    name: &'static str,
    kind: Kind,
    /// The name of its access rule.
    access: &'static str,
}

macro_rules! routes {
    ($dispatch:ident, $label:ident, $prefix:literal, $table:ident, $unknown:expr;
     $($name:literal $kind:ident $access:ident => $($handler:ident)::+;)*) => {
        /// The rows of this table.
        #[cfg(test)]
        static $table: &[Route] = &[$(Route {
            name: $name,
            kind: Kind::$kind,
            access: stringify!($access),
        }),*];

        /// Returns the name of a method in the log and the metrics, or `None` if there is no such
        /// method.
        fn $label(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(concat!($prefix, $name)),)*
                _ => None,
            }
        }

        /// Calls the handler of a method.
        pub(crate) async fn $dispatch(pds: &Pds, name: &str, call: Call) -> Result<Reply, Failure> {
            match name {
                $($name => {
                    Kind::$kind.expect_verb(call.parts.method.as_str())?;
                    // Boxed, so that a fresh isolate compiles only the handler that it calls.
                    let served: LocalBoxFuture<'_, _> =
                        Box::pin(serve::<$access, _, _>(pds, call, api::$($handler)::+));
                    served.await
                })*
                _ => Err($unknown.into()),
            }
        }
    };
}

// Methods for the operator's tools, under `/operator/`. They are not part of the protocol.
routes! {
    dispatch_operator, operator_label, "operator.", OPERATOR_METHODS,
    XrpcError::not_found("Not Found");

    "claim" Procedure Operator => operator::claim;
    "emit-identity" Procedure Operator => operator::emit_identity;
    "heal" Procedure Operator => operator::heal;
    "metrics" Query Operator => operator::metrics::metrics;
    "relays" Query Operator => operator::relays::relays;
    "reset" Procedure Operator => operator::reset;
    "verify" Query Operator => operator::verify;
}

routes! {
    dispatch, xrpc_label, "", ROUTES, XrpcError::method_not_implemented();

    "com.atproto.identity.resolveHandle" Query Public => identity::resolve_handle;

    "com.atproto.repo.applyWrites" Procedure ActiveOwner => repo::apply_writes::apply_writes;
    "com.atproto.repo.createRecord" Procedure ActiveOwner => repo::write::create_record;
    "com.atproto.repo.deleteRecord" Procedure ActiveOwner => repo::write::delete_record;
    "com.atproto.repo.describeRepo" Query Public => repo::read::describe_repo;
    "com.atproto.repo.getRecord" Query Public => repo::read::get_record;
    "com.atproto.repo.importRepo" Procedure Owner => repo::import::import_repo;
    "com.atproto.repo.listMissingBlobs" Query Owner => repo::uploads::list_missing_blobs;
    "com.atproto.repo.listRecords" Query Public => repo::read::list_records;
    "com.atproto.repo.putRecord" Procedure ActiveOwner => repo::write::put_record;
    "com.atproto.repo.uploadBlob" Procedure Owner => repo::uploads::upload_blob;

    "com.atproto.server.activateAccount" Procedure Owner => server::activation::activate_account;
    "com.atproto.server.checkAccountStatus" Query Owner => server::status::check_account_status;
    "com.atproto.server.createSession" Procedure Public => server::session::create_session;
    "com.atproto.server.deactivateAccount" Procedure Owner =>
        server::activation::deactivate_account;
    "com.atproto.server.deleteSession" Procedure AnyRefresh => server::session::delete_session;
    "com.atproto.server.describeServer" Query Public => server::describe::describe_server;
    // Some clients call `checkAccountStatus` by this name.
    "com.atproto.server.getAccountStatus" Query Owner => server::status::check_account_status;
    "com.atproto.server.getSession" Query Owner => server::session::get_session;
    "com.atproto.server.refreshSession" Procedure Refresh => server::session::refresh_session;

    "com.atproto.sync.getBlob" Query Visitor => sync::blob_reads::get_blob;
    "com.atproto.sync.getBlocks" Query Visitor => sync::blocks::get_blocks;
    "com.atproto.sync.getCheckout" Query Visitor => sync::export::get_checkout;
    "com.atproto.sync.getHead" Query Visitor => sync::status::get_head;
    "com.atproto.sync.getLatestCommit" Query Visitor => sync::status::get_latest_commit;
    "com.atproto.sync.getRecord" Query Visitor => sync::blocks::get_record;
    "com.atproto.sync.getRepo" Query Visitor => sync::export::get_repo;
    "com.atproto.sync.getRepoStatus" Query Public => sync::status::get_repo_status;
    "com.atproto.sync.listBlobs" Query Visitor => sync::blob_reads::list_blobs;
    "com.atproto.sync.listRepos" Query Public => sync::status::list_repos;
    "com.atproto.sync.notifyOfUpdate" Procedure Public => sync::crawl::notify_of_update;
    "com.atproto.sync.requestCrawl" Procedure Public => sync::crawl::request_crawl;
    "com.atproto.sync.subscribeRepos" Subscription Public => sync::subscribe::subscribe_repos;
}

/// Returns the name of the method at a path in the log and the metrics, or `None` if there is no
/// such method.
pub(crate) fn label(path: &str) -> Option<&'static str> {
    match path.strip_prefix("/operator/") {
        Some(name) => operator_label(name),
        None => xrpc_label(path.strip_prefix("/xrpc/")?),
    }
}

/// Admits the caller, reads the input and calls the handler.
async fn serve<A: Access, I: Input, O: Output>(
    pds: &Pds,
    mut call: Call,
    handler: impl AsyncFn(&Pds, A, I) -> Result<O, Failure>,
) -> Result<Reply, Failure> {
    let mut caller = A::admit(pds, &call)?;
    call.decode_body()?;
    let input = I::read(&mut call).await?;
    if I::READS_BODY {
        // The session may have ended while the body arrived.
        caller = A::admit(pds, &call)?;
    }
    handler(pds, caller, input).await?.into_reply()
}

#[cfg(test)]
mod tests {
    use nacre_syntax::Nsid;

    use super::*;

    #[test]
    fn routes_are_valid_nsids_in_order_without_duplicates() {
        for route in ROUTES {
            assert!(Nsid::parse(route.name).is_ok(), "{}", route.name);
        }
        assert!(ROUTES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn only_listed_methods_are_public() {
        let open: Vec<_> = ROUTES
            .iter()
            .filter(|route| ["Public", "Visitor"].contains(&route.access))
            .map(|route| route.name)
            .collect();
        let expected = [
            "com.atproto.identity.resolveHandle",
            "com.atproto.repo.describeRepo",
            "com.atproto.repo.getRecord",
            "com.atproto.repo.listRecords",
            "com.atproto.server.createSession",
            "com.atproto.server.describeServer",
            "com.atproto.sync.getBlob",
            "com.atproto.sync.getBlocks",
            "com.atproto.sync.getCheckout",
            "com.atproto.sync.getHead",
            "com.atproto.sync.getLatestCommit",
            "com.atproto.sync.getRecord",
            "com.atproto.sync.getRepo",
            "com.atproto.sync.getRepoStatus",
            "com.atproto.sync.listBlobs",
            "com.atproto.sync.listRepos",
            "com.atproto.sync.notifyOfUpdate",
            "com.atproto.sync.requestCrawl",
            "com.atproto.sync.subscribeRepos",
        ];
        assert_eq!(open, expected);
    }

    #[test]
    fn operator_methods_require_the_operator() {
        assert!(OPERATOR_METHODS.iter().all(|route| route.access == "Operator"));
        assert!(ROUTES.iter().all(|route| route.access != "Operator"));
    }

    #[test]
    fn repository_writes_require_an_active_owner() {
        for route in ROUTES {
            // A migrating account calls these before it is active.
            let migrates =
                [".importRepo", ".uploadBlob"].iter().any(|end| route.name.ends_with(end));
            let writes =
                route.kind == Kind::Procedure && route.name.contains(".repo.") && !migrates;
            assert_eq!(writes, route.access == "ActiveOwner", "{}", route.name);
        }
    }
}
