//! `com.atproto.sync.*`: parts of the repository, as CARs.

use cid::Cid;
use nacre_car::Writer;
use nacre_mst::covering_proof;
use nacre_syntax::{Did, Nsid, RecordKey, RepoPath};
use nacre_xrpc::{Params, XrpcError};

use super::account::readable;
use crate::Pds;
use crate::api::access::Visitor;
use crate::api::params::cid;
use crate::api::{Car, Failure, FromParams, Query, invalid};

pub(crate) struct GetBlocks {
    did: Did,
    cids: Vec<Cid>,
}

pub(crate) struct GetRecord {
    did: Did,
    path: RepoPath,
    commit: Option<Cid>,
}

/// `com.atproto.sync.getBlocks`: blocks of the current commit.
pub(crate) async fn get_blocks(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<GetBlocks>,
) -> Result<Car, Failure> {
    readable(pds, &visitor, &input.did)?;
    let mut car = Writer::with_roots(&[]);
    let missing = pds.repo.find_blocks(&input.cids, &mut car)?;
    if missing.is_empty() {
        return Ok(Car(car.finish()));
    }
    let missing: Vec<String> = missing.iter().map(Cid::to_string).collect();
    Err(invalid(format!("Could not find cids: {}", missing.join(","))).into())
}

/// `com.atproto.sync.getRecord`: a record with its inclusion proof, or an exclusion proof.
pub(crate) async fn get_record(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<GetRecord>,
) -> Result<Car, Failure> {
    let account = readable(pds, &visitor, &input.did)?;
    let head = &account.head;
    if let Some(other) = input.commit.filter(|commit| *commit != head.cid) {
        return Err(invalid(format!("Could not find commit: {other}")).into());
    }
    let missing = || Failure::Fault("the commit block is missing".to_owned());
    let mut car = Writer::new(&head.cid);
    car.block(&head.cid, &pds.store.commit_block()?.ok_or_else(missing)?);
    for (cid, node) in covering_proof(&pds.store, head.data, [&input.path])? {
        car.block(&cid, &node);
    }
    if let Some(record) = pds.store.record(&input.path)? {
        car.block(&record.cid, &record.value);
    }
    Ok(Car(car.finish()))
}

impl FromParams for GetBlocks {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        let cids = params.all("cids").map(cid).collect::<Result<Vec<_>, _>>()?;
        if cids.is_empty() {
            return Err(invalid("Params must have the property \"cids\""));
        }
        Ok(Self { did: params.required_as("did")?, cids })
    }
}

impl FromParams for GetRecord {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        let collection: Nsid = params.required_as("collection")?;
        let rkey: RecordKey = params.required_as("rkey")?;
        Ok(Self {
            did: params.required_as("did")?,
            path: RepoPath::from_parts(&collection, &rkey),
            commit: params.optional("commit")?.map(cid).transpose()?,
        })
    }
}
