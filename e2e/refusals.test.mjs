// What a client is told when it asks for what it cannot have: the exact status, error and message.
// No refusal changes the repository.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { onEachHost } from './hosts.mjs'
import { fetchAs } from './loopback.mjs'
import { Subscriber } from './stream.mjs'
import { latestCommit, procedure, query, send, signIn, writer } from './xrpc.mjs'

const CREATE = 'com.atproto.repo.createRecord'
const PUT = 'com.atproto.repo.putRecord'
const DELETE = 'com.atproto.repo.deleteRecord'
const COLLECTION = 'com.example.shell'
/** A CID that is well-formed and of nothing here. */
const OTHER_CID = 'bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm'

onEachHost('refusals', (server) => {
  let session
  /** The record that is there: its key is `here`. */
  let here

  async function prepare() {
    if (session) return
    session = await signIn(server())
    here = await writer(server(), session).create(COLLECTION, { is: 'here' }, 'here')
  }

  /**
   * Declares a test that each call of a table is refused as its row says, and changes nothing.
   *
   * @param {string} title
   * @param {() => [string, () => Promise<import('./xrpc.mjs').Answer>, number, string, string | RegExp][]} rows
   */
  function refused(title, rows) {
    test(title, async (t) => {
      await prepare()
      for (const [name, call, status, error, message] of rows()) {
        await t.test(name, async () => {
          const before = await latestCommit(server())
          const answer = await call()
          const told = new TextDecoder().decode(answer.bytes)
          assert.equal(answer.status, status, told)
          assert.match(answer.headers.get('content-type'), /^application\/json/)
          assert.equal(answer.headers.get('access-control-allow-origin'), '*')
          const json = answer.json
          assert.equal(json.error, error, told)
          if (message instanceof RegExp) assert.match(json.message, message)
          else assert.equal(json.message, message)
          assert.deepEqual(Object.keys(json), ['error', 'message'])
          assert.deepEqual(await latestCommit(server()), before)
        })
      }
    })
  }

  const write = (nsid, input) =>
    procedure(server(), nsid, { repo: server().did, collection: COLLECTION, ...input }, session.accessJwt)
  const body = (nsid, body, type = 'application/json') =>
    send(server(), `/xrpc/${nsid}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${session.accessJwt}`,
        ...(type ? { 'content-type': type } : {}),
      },
      // Text would be given a type.
      body: typeof body === 'string' ? Buffer.from(body) : body,
    })
  const authorized = (authorization, nsid = 'com.atproto.server.getSession') =>
    send(server(), `/xrpc/${nsid}`, { headers: { authorization } })

  refused('credentials that are not good', () => [
    ['none', () => query(server(), 'com.atproto.server.getSession'), 401, 'AuthMissing', 'Authentication Required'],
    ['none for a write', () => procedure(server(), CREATE, {}), 401, 'AuthMissing', 'Authentication Required'],
    ['no token', () => authorized('Bearer'), 400, 'InvalidToken', 'Malformed authorization header'],
    ['two tokens', () => authorized('Bearer a b'), 400, 'InvalidToken', 'Malformed authorization header'],
    ['another scheme', () => authorized('Digest abc'), 400, 'InvalidToken', 'Unsupported authorization type: Digest'],
    ['Basic', () => authorized('Basic YWRtaW46YWRtaW4='), 400, 'InvalidToken', 'Unexpected authorization type'],
    ['DPoP', () => authorized('DPoP abc'), 400, 'InvalidToken', 'Unexpected authorization type'],
    ['no JWT', () => authorized('Bearer abc'), 400, 'InvalidToken', 'Token could not be verified'],
    ['a changed signature', () => authorized(`Bearer ${changed(session.accessJwt)}`), 400, 'InvalidToken', 'Token could not be verified'],
    ['a token that is not signed', () => authorized(`Bearer ${unsigned(session.accessJwt)}`), 400, 'InvalidToken', 'Token could not be verified'],
    ['a refresh token for access', () => authorized(`Bearer ${session.refreshJwt}`), 400, 'InvalidToken', 'Token could not be verified'],
    ['an access token for a refresh', () => procedure(server(), 'com.atproto.server.refreshSession', undefined, session.accessJwt), 400, 'InvalidToken', 'Token could not be verified'],
    ['an access token to sign out', () => procedure(server(), 'com.atproto.server.deleteSession', undefined, session.accessJwt), 400, 'InvalidToken', 'Token could not be verified'],
    ['a bad token where none is needed', () => query(server(), 'com.atproto.sync.getLatestCommit', { did: server().did }, 'abc'), 400, 'InvalidToken', 'Token could not be verified'],
    ['a password that is too long', () => procedure(server(), 'com.atproto.server.createSession', { identifier: server().did, password: 'x'.repeat(513) }), 401, 'AuthenticationRequired', 'Password too long. Consider resetting your password.'],
  ])

  test('the scheme may be in any letter case', async () => {
    await prepare()
    for (const scheme of ['bearer', 'BEARER']) {
      assert.equal((await authorized(`${scheme} ${session.accessJwt}`)).status, 200)
    }
  })

  refused('methods that are not there, or are called another way', () => [
    ['an unknown method', () => query(server(), 'com.example.nothing.here'), 501, 'MethodNotImplemented', 'Method Not Implemented'],
    ['an unknown procedure', () => procedure(server(), 'com.example.nothing.here', {}), 501, 'MethodNotImplemented', 'Method Not Implemented'],
    ['a query as a procedure', () => procedure(server(), 'com.atproto.server.describeServer', {}), 400, 'InvalidRequest', 'Incorrect HTTP method (POST) expected GET'],
    ['a procedure as a query', () => query(server(), CREATE), 400, 'InvalidRequest', 'Incorrect HTTP method (GET) expected POST'],
    ['another verb', () => send(server(), `/xrpc/${CREATE}`, { method: 'PUT' }), 400, 'InvalidRequest', 'Incorrect HTTP method (PUT) expected POST'],
    ['no method', () => send(server(), '/xrpc/'), 400, 'InvalidRequest', 'invalid xrpc path'],
    ['a path after the method', () => send(server(), '/xrpc/com.atproto.server.describeServer/x'), 400, 'InvalidRequest', 'invalid xrpc path'],
    ['what is no method', () => send(server(), '/xrpc/x'), 400, 'InvalidRequest', 'invalid xrpc path'],
    ['another path', () => send(server(), '/nothing/here'), 404, 'NotFound', 'Not Found'],
  ])

  refused('bodies that are not the input', () => [
    ['none', () => body(CREATE, undefined, null), 400, 'InvalidRequest', 'A request body is expected but none was provided'],
    ['an empty one', () => body(CREATE, ''), 400, 'InvalidRequest', 'A request body is expected but none was provided'],
    ['of no type', () => body(CREATE, '{}', null), 400, 'InvalidRequest', 'Request encoding (Content-Type) required but not provided'],
    ['of another type', () => body(CREATE, '{}', 'text/plain'), 400, 'InvalidRequest', 'Wrong request encoding (Content-Type): text/plain'],
    ['where there is none', () => procedure(server(), 'com.atproto.server.refreshSession', {}, session.refreshJwt), 400, 'InvalidRequest', 'A request body was provided when none was expected'],
    ['no JSON', () => body(CREATE, '{"repo":'), 400, 'InvalidRequest', /^Invalid input: /],
    ['not UTF-8', () => body(CREATE, Buffer.from([0x22, 0xff, 0x22])), 400, 'InvalidRequest', /^Invalid input: /],
    ['no object', () => body(CREATE, '[]'), 400, 'InvalidRequest', /./],
    ['nothing in it', () => body(CREATE, '{}'), 400, 'InvalidRequest', /repo/],
    ['brackets without end', () => body(CREATE, '['.repeat(100_000)), 400, 'InvalidRequest', /./],
    ['over 1,000,000 bytes', () => body(CREATE, record(1_000_001)), 413, 'PayloadTooLargeError', 'request entity too large'],
    ['over 150 KB where no record is', () => body('com.atproto.server.createSession', ' '.repeat(150 * 1024 + 1)), 413, 'PayloadTooLargeError', 'request entity too large'],
  ])

  test('a body of 1,000,000 bytes is taken', async () => {
    await prepare()
    const answer = await body(CREATE, record(1_000_000))
    assert.equal(answer.status, 200, new TextDecoder().decode(answer.bytes))
  })

  refused('records that do not fit the data model', () => [
    ['a fraction', () => write(CREATE, { record: { number: 1.5 } }), 400, 'InvalidRequest', /./],
    ['an exponent', () => body(CREATE, `{"repo":"${server().did}","collection":"${COLLECTION}","record":{"n":1e400}}`), 400, 'InvalidRequest', /./],
    ['an integer beyond the safe ones', () => body(CREATE, `{"repo":"${server().did}","collection":"${COLLECTION}","record":{"n":9007199254740993}}`), 400, 'InvalidRequest', /./],
    ['a key twice', () => body(CREATE, `{"repo":"${server().did}","collection":"${COLLECTION}","record":{"n":1,"n":2}}`), 400, 'InvalidRequest', /./],
    ['too deep', () => write(CREATE, { record: deep(1_000) }), 400, 'InvalidRequest', /./],
    ['a bad link', () => write(CREATE, { record: { link: { $link: 'nothing' } } }), 400, 'InvalidRequest', /./],
    ['bad bytes', () => write(CREATE, { record: { bytes: { $bytes: '!' } } }), 400, 'InvalidRequest', /./],
    ['no object', () => write(CREATE, { record: 'text' }), 400, 'InvalidRequest', /./],
    ['null', () => write(CREATE, { record: null }), 400, 'InvalidRequest', /./],
    ['another type', () => write(CREATE, { record: { $type: 'com.example.sand' } }), 400, 'InvalidRequest', `Invalid $type: expected ${COLLECTION}, got com.example.sand`],
    ['an unknown type that is to be validated', () => write(CREATE, { record: {}, validate: true }), 400, 'InvalidRequest', `Unknown lexicon type: ${COLLECTION}`],
  ])

  refused('writes that cannot be made', () => [
    ['to a repository of somebody else', () => write(CREATE, { repo: 'did:web:example.com', record: {} }), 401, 'AuthenticationRequired', /./],
    ['to a handle of somebody else', () => write(CREATE, { repo: 'bob.test', record: {} }), 401, 'AuthenticationRequired', /./],
    ['to what is no repository', () => write(CREATE, { repo: 'nobody', record: {} }), 400, 'InvalidRequest', /./],
    ['to a collection that is no NSID', () => write(CREATE, { collection: 'shells', record: {} }), 400, 'InvalidRequest', /./],
    ['under a key that is none', () => write(CREATE, { rkey: 'a/b', record: {} }), 400, 'InvalidRequest', 'Invalid record key: a/b'],
    ['under a dot', () => write(PUT, { rkey: '.', record: {} }), 400, 'InvalidRequest', 'Invalid record key: .'],
    ['under a key of 513 characters', () => write(CREATE, { rkey: 'k'.repeat(513), record: {} }), 400, 'InvalidRequest', `Invalid record key: ${'k'.repeat(513)}`],
    ['over what is there', () => write(CREATE, { rkey: 'here', record: {} }), 400, 'InvalidRequest', /./],
    ['put over another record than expected', () => write(PUT, { rkey: 'here', record: {}, swapRecord: OTHER_CID }), 400, 'InvalidSwap', `Record was at ${here.cid}`],
    ['put over a record where none is expected', () => write(PUT, { rkey: 'here', record: {}, swapRecord: null }), 400, 'InvalidSwap', `Record was at ${here.cid}`],
    ['put where a record is expected', () => write(PUT, { rkey: 'gone', record: {}, swapRecord: OTHER_CID }), 400, 'InvalidSwap', 'Record was at null'],
    ['delete of another record than expected', () => write(DELETE, { rkey: 'here', swapRecord: OTHER_CID }), 400, 'InvalidSwap', `Record was at ${here.cid}`],
    ['delete where a record is expected', () => write(DELETE, { rkey: 'gone', swapRecord: OTHER_CID }), 400, 'InvalidSwap', 'Record was at null'],
    ['a swap that is no CID', () => write(PUT, { rkey: 'here', record: {}, swapRecord: 'nothing' }), 400, 'InvalidRequest', 'Invalid CID: nothing'],
    ['a swap of commits that is no CID', () => write(CREATE, { record: {}, swapCommit: 'nothing' }), 400, 'InvalidRequest', 'Invalid CID: nothing'],
  ])

  test('no write is made on another commit than expected', async () => {
    await prepare()
    const { cid } = await latestCommit(server())
    for (const [nsid, input] of [
      [CREATE, { record: {} }],
      [PUT, { rkey: 'here', record: { is: 'new' } }],
      [PUT, { rkey: 'here', record: { is: 'here' } }],
      [DELETE, { rkey: 'here' }],
      [DELETE, { rkey: 'gone' }],
    ]) {
      const answer = await write(nsid, { ...input, swapCommit: OTHER_CID })
      assert.equal(answer.status, 400)
      const message = `Commit was at ${cid}`
      assert.deepEqual(answer.json, { error: 'InvalidSwap', message })
    }
    assert.equal((await latestCommit(server())).cid, cid)
    const expected = { rkey: 'here', record: { is: 'here', swapped: true } }
    const swap = { swapCommit: cid, swapRecord: here.cid }
    here = (await write(PUT, { ...expected, ...swap })).expect()
    assert.equal((await latestCommit(server())).cid, here.commit.cid)
  })

  test('what changes nothing makes no commit and no event', async () => {
    await prepare()
    const before = await latestCommit(server())
    const subscriber = await Subscriber.open(server())
    const same = { rkey: 'same', record: { is: 'same' } }
    const first = (await write(PUT, same)).expect()
    const second = (await write(PUT, same)).expect()
    assert.equal(second.cid, first.cid)
    assert.equal(second.uri, first.uri)
    assert.ok(first.commit)
    assert.equal(second.commit, undefined)
    const nothing = await write(DELETE, { rkey: 'gone' })
    assert.equal(nothing.status, 200)
    assert.deepEqual(nothing.json, {})
    const head = await latestCommit(server())
    assert.deepEqual(head, first.commit)
    assert.notDeepEqual(head, before)

    const last = (await write(PUT, { rkey: 'same', record: { is: 'other' } })).expect()
    const [{ body: one }] = await subscriber.until(1)
    await subscriber.until(one.seq + 1)
    await subscriber.close()
    const commits = subscriber.events.map(({ body }) => String(body.commit))
    assert.deepEqual(commits, [first.commit.cid, last.commit.cid])
  })

  refused('parameters that are not the method’s', () => {
    const get = (params) =>
      query(server(), 'com.atproto.repo.getRecord', { repo: server().did, collection: COLLECTION, rkey: 'here', ...params })
    const list = (params) =>
      query(server(), 'com.atproto.repo.listRecords', { repo: server().did, collection: COLLECTION, ...params })
    return [
      ['none', () => query(server(), 'com.atproto.repo.getRecord'), 400, 'InvalidRequest', /^Params must have the property/],
      ['twice', () => send(server(), '/xrpc/com.atproto.repo.describeRepo?repo=a.test&repo=b.test'), 400, 'InvalidRequest', /repo/],
      ['a CID that is none', () => get({ cid: 'nothing' }), 400, 'InvalidRequest', /./],
      ['a collection that is no NSID', () => get({ collection: 'shells' }), 400, 'InvalidRequest', /collection/],
      ['a key that is none', () => get({ rkey: 'a/b' }), 400, 'InvalidRequest', /rkey/],
      ['a repository that is none', () => get({ repo: 'nobody' }), 400, 'InvalidRequest', /repo/],
      ['a record that is not there', () => get({ rkey: 'gone' }), 400, 'RecordNotFound', `Could not locate record: at://${server().did}/${COLLECTION}/gone`],
      ['another version of a record', () => get({ cid: OTHER_CID }), 400, 'RecordNotFound', `Could not locate record: at://${server().did}/${COLLECTION}/here`],
      ['a record of somebody else', () => get({ repo: 'bob.test' }), 400, 'InvalidRequest', 'Could not locate record'],
      ['a list of nothing', () => list({ limit: '0' }), 400, 'InvalidRequest', /limit/],
      ['a list that is too long', () => list({ limit: '101' }), 400, 'InvalidRequest', /limit/],
      ['a list of some length', () => list({ limit: 'abc' }), 400, 'InvalidRequest', /limit/],
      ['a list in some direction', () => list({ reverse: 'maybe' }), 400, 'InvalidRequest', /reverse/],
      ['records of somebody else', () => list({ repo: 'bob.test' }), 400, 'InvalidRequest', 'Could not find repo: bob.test'],
      ['a description of somebody else', () => query(server(), 'com.atproto.repo.describeRepo', { repo: 'bob.test' }), 400, 'InvalidRequest', /^Could not/],
      ['a handle that is none', () => query(server(), 'com.atproto.identity.resolveHandle', { handle: 'x' }), 400, 'InvalidRequest', /handle/],
      ['a rev that is none', () => query(server(), 'com.atproto.sync.getRepo', { did: server().did, since: 'abc' }), 400, 'InvalidRequest', /since/],
      ['a DID that is none', () => query(server(), 'com.atproto.sync.getRepo', { did: server().handle }), 400, 'InvalidRequest', /did/],
      ['a cursor that was never given', () => query(server(), 'com.atproto.sync.listRepos', { cursor: 'abc' }), 400, 'InvalidRequest', 'Malformed cursor'],
      ['a broken escape', () => send(server(), '/xrpc/com.atproto.repo.describeRepo?repo=%zz'), 400, 'InvalidRequest', /./],
      ['half a character', () => send(server(), '/xrpc/com.atproto.repo.describeRepo?repo=%ff'), 400, 'InvalidRequest', /./],
      ...['getLatestCommit', 'getRepo', 'getRepoStatus'].map((method) => [
        `${method} of somebody else`,
        () => query(server(), `com.atproto.sync.${method}`, { did: 'did:web:example.com' }),
        400,
        'RepoNotFound',
        'Could not find repo for DID: did:web:example.com',
      ]),
    ]
  })

  test('scripts of any origin may ask for all of it, and read what they are told', async () => {
    const asked = 'authorization,content-type,dpop,atproto-proxy'
    for (const path of [`/xrpc/${CREATE}`, '/xrpc/com.atproto.sync.getRepo', '/xrpc/com.example.none']) {
      const answer = await send(server(), path, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://example.com',
          'access-control-request-method': 'POST',
          'access-control-request-headers': asked,
        },
      })
      assert.ok([200, 204].includes(answer.status))
      assert.equal(answer.headers.get('access-control-allow-origin'), '*')
      const allowed = words(answer.headers.get('access-control-allow-headers'))
      for (const name of words(asked)) assert.ok(allowed.includes(name), name)
      const methods = words(answer.headers.get('access-control-allow-methods'))
      for (const verb of ['get', 'post']) assert.ok(methods.includes(verb), verb)
    }
    for (const path of OPEN_PATHS) {
      const answer = await send(server(), path, { headers: { origin: 'https://example.com' } })
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', path)
      const exposed = words(answer.headers.get('access-control-expose-headers'))
      for (const name of EXPOSED) assert.ok(exposed.includes(name), `${path} hides ${name}`)
    }
  })

  test('what is told to somebody is kept by no cache', async () => {
    await prepare()
    const { did } = server()
    const { accessJwt } = session
    for (const answer of [
      await query(server(), 'com.atproto.server.getSession', {}, accessJwt),
      await query(server(), 'com.atproto.sync.getLatestCommit', { did }, accessJwt),
      await write(PUT, { rkey: 'cached', record: {} }),
      await authorized('Bearer abc'),
    ]) {
      assert.equal(answer.headers.get('cache-control'), 'private')
      assert.ok(words(answer.headers.get('vary')).includes('authorization'))
    }
    const open = await query(server(), 'com.atproto.sync.getLatestCommit', { did })
    assert.notEqual(open.headers.get('cache-control'), 'private')
  })

  test('the documents under well-known paths say who is here', async () => {
    const { did, handle, publicKey, url } = server()
    const document = (await send(server(), '/.well-known/did.json')).expect()
    assert.equal(document.id, did)
    assert.deepEqual(document.alsoKnownAs, [`at://${handle}`])
    const [method] = document.verificationMethod
    assert.equal(`did:key:${method.publicKeyMultibase}`, publicKey)
    assert.equal(document.service[0].serviceEndpoint, url)
    const path = new URL('/.well-known/atproto-did', url)
    assert.equal((await (await fetchAs(handle, path)).text()).trim(), did)
    const other = await fetchAs('bob.test', path)
    assert.equal(other.status, 404)
    assert.equal(await other.text(), 'User not found')
    const health = (await send(server(), '/xrpc/_health')).expect()
    assert.match(health.version, /^nacre /)
    for (const plain of ['/', '/robots.txt']) {
      const answer = await send(server(), plain)
      assert.equal(answer.status, 200)
      assert.match(answer.headers.get('content-type'), /^text\/plain/)
    }
  })

  test('the thirty-first sign-in within five minutes is refused', async () => {
    const login = { identifier: 'bob.test', password: 'wrong' }
    const statuses = []
    let last
    for (let tries = 0; tries < 31; tries += 1) {
      last = await procedure(server(), 'com.atproto.server.createSession', login)
      statuses.push(last.status)
    }
    assert.deepEqual(statuses, [...Array(30).fill(401), 429])
    assert.deepEqual(last.json, { error: 'RateLimitExceeded', message: 'Rate Limit Exceeded' })
  })

  /** Returns an input with a record, of exactly this many bytes. */
  function record(bytes) {
    const input = { repo: server().did, collection: COLLECTION, record: { text: '' } }
    input.record.text = 'x'.repeat(bytes - JSON.stringify(input).length)
    return JSON.stringify(input)
  }
})

/** Returns a token whose signature is another one. */
function changed(token) {
  const at = token.lastIndexOf('.') + 1
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** Returns what a token says, in one that is not signed. */
function unsigned(token) {
  const header = Buffer.from('{"typ":"at+jwt","alg":"none"}').toString('base64url')
  return `${header}.${token.split('.')[1]}.`
}

/** Returns a record in which objects lie within one another. */
function deep(levels) {
  let record = {}
  for (let level = 0; level < levels; level += 1) record = { record }
  return record
}

/** Returns the words of a header that lists some. */
function words(header) {
  return (header ?? '').split(',').map((word) => word.trim().toLowerCase())
}

/** One path of each kind: documents, queries, procedures, CARs, refusals. */
const OPEN_PATHS = [
  '/',
  '/.well-known/did.json',
  '/.well-known/atproto-did',
  '/xrpc/_health',
  '/xrpc/com.atproto.server.describeServer',
  '/xrpc/com.atproto.server.getSession',
  `/xrpc/${CREATE}`,
  '/xrpc/com.atproto.sync.getRepo?did=did:web:example.com',
  '/xrpc/com.example.none',
  '/nothing/here',
]
const EXPOSED = [
  'atproto-content-labelers',
  'atproto-repo-rev',
  'dpop-nonce',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'retry-after',
  'www-authenticate',
]
