"""A consumer of the event stream, written like a typical bot with the package `atproto`.

It follows a server from a cursor, verifies each event with the package, and prints one line of JSON
for it. Arguments: the base URL of the WebSocket methods, the cursor, and the did:key of commits. It
runs until the test ends it.
"""

import json
import sys

import libipld
from atproto import CAR, FirehoseSubscribeReposClient, models, parse_subscribe_repos_message
from atproto_crypto.verify import verify_signature


def main(base_uri: str, cursor: str, did_key: str) -> None:
    client = FirehoseSubscribeReposClient({"cursor": int(cursor)}, base_uri)

    def on_message(frame) -> None:
        event = parse_subscribe_repos_message(frame)
        client.update_params({"cursor": event.seq})
        line = {"seq": event.seq, "type": event.py_type.split("#")[1]}
        if isinstance(event, models.ComAtprotoSyncSubscribeRepos.Commit):
            line |= commit(event, did_key)
        print(json.dumps(line), flush=True)

    def on_error(error: BaseException) -> None:
        print(json.dumps({"error": repr(error)}), flush=True)

    client.start(on_message, on_error)


def commit(event, did_key: str) -> dict:
    """Returns the operations of a commit, and whether its signature and root are valid."""
    car = CAR.from_bytes(event.blocks)
    block = car.blocks[event.commit]
    signature = block.pop("sig")
    is_signed = verify_signature(did_key, libipld.encode_dag_cbor(block), signature)
    records = [op for op in event.ops if op.cid is not None]
    return {
        "signed": is_signed,
        "root": str(car.root) == str(event.commit),
        "ops": [[op.action, op.path, op.cid and str(op.cid)] for op in event.ops],
        "records": [car.blocks[op.cid]["$type"] for op in records],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
