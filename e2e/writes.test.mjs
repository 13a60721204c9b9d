// Which records are taken, and which writes are made: those that fit, and that build on what the
// client thinks is there.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { onEachHost } from './hosts.mjs'
import { Asker, COLLECTION, CREATE, DELETE, OTHER_CID, PUT } from './refused.mjs'
import { Subscriber } from './stream.mjs'
import { latestCommit } from './xrpc.mjs'

onEachHost('writes', (server) => {
  const asker = new Asker(server)
  const raw = (record) =>
    asker.body(CREATE, `{"repo":"${server().did}","collection":"${COLLECTION}","record":${record}}`)

  asker.refused('records that do not fit the data model', () => [
    ['a fraction', () => asker.write(CREATE, { record: { number: 1.5 } }), /./],
    ['an exponent', () => raw('{"n":1e400}'), /./],
    ['an integer beyond the safe ones', () => raw('{"n":9007199254740993}'), /./],
    ['a key twice', () => raw('{"n":1,"n":2}'), /./],
    ['too deep', () => asker.write(CREATE, { record: deep(1_000) }), /./],
    ['a bad link', () => asker.write(CREATE, { record: { link: { $link: 'nothing' } } }), /./],
    ['bad bytes', () => asker.write(CREATE, { record: { bytes: { $bytes: '!' } } }), /./],
    ['no object', () => asker.write(CREATE, { record: 'text' }), /./],
    ['null', () => asker.write(CREATE, { record: null }), /./],
    [
      'another type',
      () => asker.write(CREATE, { record: { $type: 'com.example.sand' } }),
      `Invalid $type: expected ${COLLECTION}, got com.example.sand`,
    ],
    [
      'an unknown type that is to be validated',
      () => asker.write(CREATE, { record: {}, validate: true }),
      `Unknown lexicon type: ${COLLECTION}`,
    ],
  ])

  asker.refused('writes that cannot be made', () => [
    [
      'to a repository of somebody else',
      () => asker.write(CREATE, { repo: 'did:web:example.com', record: {} }),
      [401, 'AuthenticationRequired', /./],
    ],
    [
      'to a handle of somebody else',
      () => asker.write(CREATE, { repo: 'bob.test', record: {} }),
      [401, 'AuthenticationRequired', /./],
    ],
    ['to what is no repository', () => asker.write(CREATE, { repo: 'nobody', record: {} }), /./],
    [
      'to a collection that is no NSID',
      () => asker.write(CREATE, { collection: 'shells', record: {} }),
      /./,
    ],
    [
      'under a key that is none',
      () => asker.write(CREATE, { rkey: 'a/b', record: {} }),
      'Invalid record key: a/b',
    ],
    ['under a dot', () => asker.write(PUT, { rkey: '.', record: {} }), 'Invalid record key: .'],
    [
      'under a key of 513 characters',
      () => asker.write(CREATE, { rkey: 'k'.repeat(513), record: {} }),
      `Invalid record key: ${'k'.repeat(513)}`,
    ],
    ['over what is there', () => asker.write(CREATE, { rkey: 'here', record: {} }), /./],
    [
      'put over another record than expected',
      () => asker.write(PUT, { rkey: 'here', record: {}, swapRecord: OTHER_CID }),
      [400, 'InvalidSwap', `Record was at ${asker.here.cid}`],
    ],
    [
      'put over a record where none is expected',
      () => asker.write(PUT, { rkey: 'here', record: {}, swapRecord: null }),
      [400, 'InvalidSwap', `Record was at ${asker.here.cid}`],
    ],
    [
      'put where a record is expected',
      () => asker.write(PUT, { rkey: 'gone', record: {}, swapRecord: OTHER_CID }),
      [400, 'InvalidSwap', 'Record was at null'],
    ],
    [
      'delete of another record than expected',
      () => asker.write(DELETE, { rkey: 'here', swapRecord: OTHER_CID }),
      [400, 'InvalidSwap', `Record was at ${asker.here.cid}`],
    ],
    [
      'delete where a record is expected',
      () => asker.write(DELETE, { rkey: 'gone', swapRecord: OTHER_CID }),
      [400, 'InvalidSwap', 'Record was at null'],
    ],
    [
      'a swap that is no CID',
      () => asker.write(PUT, { rkey: 'here', record: {}, swapRecord: 'nothing' }),
      'Invalid CID: nothing',
    ],
    [
      'a swap of commits that is no CID',
      () => asker.write(CREATE, { record: {}, swapCommit: 'nothing' }),
      'Invalid CID: nothing',
    ],
  ])

  test('no write is made on another commit than expected', async () => {
    await asker.prepare()
    const { cid } = await latestCommit(server())
    for (const [nsid, input] of [
      [CREATE, { record: {} }],
      [PUT, { rkey: 'here', record: { is: 'new' } }],
      [PUT, { rkey: 'here', record: { is: 'here' } }],
      [DELETE, { rkey: 'here' }],
      [DELETE, { rkey: 'gone' }],
    ]) {
      const answer = await asker.write(nsid, { ...input, swapCommit: OTHER_CID })
      assert.equal(answer.status, 400)
      const message = `Commit was at ${cid}`
      assert.deepEqual(answer.json, { error: 'InvalidSwap', message })
    }
    assert.equal((await latestCommit(server())).cid, cid)
    const expected = { rkey: 'here', record: { is: 'here', swapped: true } }
    const swap = { swapCommit: cid, swapRecord: asker.here.cid }
    asker.here = (await asker.write(PUT, { ...expected, ...swap })).expect()
    assert.equal((await latestCommit(server())).cid, asker.here.commit.cid)
  })

  test('what changes nothing makes no commit and no event', async () => {
    await asker.prepare()
    const before = await latestCommit(server())
    const subscriber = await Subscriber.open(server())
    const same = { rkey: 'same', record: { is: 'same' } }
    const first = (await asker.write(PUT, same)).expect()
    const second = (await asker.write(PUT, same)).expect()
    assert.equal(second.cid, first.cid)
    assert.equal(second.uri, first.uri)
    assert.ok(first.commit)
    assert.equal(second.commit, undefined)
    const nothing = await asker.write(DELETE, { rkey: 'gone' })
    assert.equal(nothing.status, 200)
    assert.deepEqual(nothing.json, {})
    const head = await latestCommit(server())
    assert.deepEqual(head, first.commit)
    assert.notDeepEqual(head, before)

    const last = (await asker.write(PUT, { rkey: 'same', record: { is: 'other' } })).expect()
    const [{ body: one }] = await subscriber.until(1)
    await subscriber.until(one.seq + 1)
    await subscriber.close()
    const commits = subscriber.events.map(({ body }) => String(body.commit))
    assert.deepEqual(commits, [first.commit.cid, last.commit.cid])
  })
})

/** Returns a record in which objects lie within one another. */
function deep(levels) {
  let record = {}
  for (let level = 0; level < levels; level += 1) record = { record }
  return record
}
