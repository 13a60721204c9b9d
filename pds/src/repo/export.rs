//! The repository as a CAR.

use nacre_car::Writer;
use nacre_mst::{Tree, Visit, Walk};
use nacre_syntax::{RepoPath, Tid};

use crate::api::Failure;
use crate::store::Store;

/// Returns the whole repository in pre-order, or what was written after `since`.
///
/// It is made in one turn, so that it is the repository of one commit.
pub(crate) fn car(store: &Store, since: Option<Tid>) -> Result<Vec<u8>, Failure> {
    let broken = || Failure::Fault("the repository lacks a block that it names".to_owned());
    let account = store.account()?.ok_or_else(broken)?;
    let commit = store.commit_block()?.ok_or_else(broken)?;
    let since = since.map(|since| since.to_string());
    let mut car = Writer::new(&account.head.cid);
    car.block(&account.head.cid, &commit);
    let tree = Tree::load(account.head.data).map_err(Failure::fault)?;
    let mut walk = Walk::new(store, tree);
    while let Some(visit) = walk.step() {
        match (visit?, &since) {
            (Visit::Node { cid, bytes, .. }, None) => car.block(&cid, bytes),
            (Visit::Node { cid, bytes, .. }, Some(since)) => {
                if store.node_is_newer(&cid, since)? {
                    car.block(&cid, bytes);
                }
            }
            (Visit::Entry { key, value }, since) => {
                let path = RepoPath::parse(key).map_err(|_| broken())?;
                let found = store.record_block(&path, since.as_deref())?;
                match found {
                    Some(bytes) => car.block(&value, &bytes),
                    None if since.is_some() => {}
                    None => return Err(broken()),
                }
            }
        }
    }
    Ok(car.finish())
}
