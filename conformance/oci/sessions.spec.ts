import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { blob } from './content.ts'
import { expectBytes, expectError, expectHeader, expectStatus } from './expect.ts'
import { connect } from './raw.ts'
import type { Repository } from './repository.ts'
import { Session } from './session.ts'
import { beyond, client, must, newRepository, should, target } from './suite.ts'

describe('Status of a blob upload:', () => {
  let repository: Repository
  before(() => {
    repository = newRepository()
  })

  must('GET of an active upload -> 204, Location, and Range up to its last byte', async () => {
    const session = await repository.begin()
    expectStatus(await session.patch(blob(2048).bytes, 0), 202)
    const answer = await session.status()
    expectStatus(answer, 204)
    expectHeader(answer, 'location', /./)
    expectHeader(answer, 'range', '0-2047')
  })

  must('GET before the first byte -> 204 with Location and a Range from 0', async () => {
    const answer = await (await repository.begin()).status()
    expectStatus(answer, 204)
    expectHeader(answer, 'location', /./)
    expectHeader(answer, 'range', /^0-(0|-1)$/)
  })

  should('GET of an unknown upload -> 404', async () => {
    expectError(await repository.get(`blobs/uploads/${randomUUID()}`), 404, 'BLOB_UPLOAD_UNKNOWN')
  })

  beyond('an upload that lost its connection goes on where its status says', async () => {
    const session = await repository.begin()
    const content = blob(2_000_000)
    const url = new URL(session.location)
    const authorization = await client.writeAuthorization(repository.name)
    const head = [
      `PATCH ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      'Content-Type: application/octet-stream',
      `Content-Length: ${content.bytes.length}`,
      `Content-Range: 0-${content.bytes.length - 1}`,
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    ]
    const socket = await connect(target.url)
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    await new Promise<void>(resolve => socket.write(content.bytes.subarray(0, 1_000_000), () => resolve()))
    socket.destroy()

    // The registry may still be writing what arrived: until it has seen the end, what the status says may grow.
    for (;;) {
      const answer = await session.status()
      expectStatus(answer, 204)
      const end = Number(/^0-(-?\d+)$/.exec(answer.header('range') ?? '')?.[1] ?? Number.NaN)
      expect(end).to.be.within(-1, 999_999)
      const from = end <= 0 ? 0 : end + 1
      const patched = await session.patch(content.bytes.subarray(from), from)
      if (patched.status === 202) break
      expectStatus(patched, 416)
      await new Promise(resolve => setTimeout(resolve, 200))
    }
    expectStatus(await session.put(content.digest()), 201)
    expectBytes(await repository.get(`blobs/${content.digest()}`), content.bytes)
  })
})

describe('Cancelling a blob upload:', () => {
  let repository: Repository
  before(() => {
    repository = newRepository()
  })

  should('DELETE of an active upload -> 204', async () => {
    expectStatus(await (await repository.begin()).cancel(), 204)
  })

  should('DELETE after a chunk -> 204', async () => {
    const session = await repository.begin()
    expectStatus(await session.patch(blob(2048).bytes, 0), 202)
    expectStatus(await session.cancel(), 204)
  })

  beyond('a cancelled upload is unknown to GET, PATCH, PUT and DELETE -> 404', async () => {
    const session = await repository.begin()
    const content = blob(2048)
    expectStatus(await session.cancel(), 204)
    expectError(await session.status(), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectError(await session.patch(content.bytes, 0), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectError(await session.put(content.digest(), content.bytes), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectError(await session.cancel(), 404, 'BLOB_UPLOAD_UNKNOWN')
    expectStatus(await repository.get(`blobs/${content.digest()}`), 404)
  })
})

describe('Session ids:', () => {
  let repository: Repository
  before(async () => {
    repository = newRepository()
    await repository.pushBlob(blob())
  })

  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    should(`${method} with a session id that was never given out -> 404`, async () => {
      const content = blob(1024)
      const query = method === 'PUT' ? `?digest=${content.digest()}` : ''
      const answer = await repository.request(method, `blobs/uploads/${randomUUID()}${query}`, {
        ...(method === 'PATCH' || method === 'PUT' ? { body: content.bytes } : {}),
      })
      expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
    })

    beyond(`${method} of a closed session -> 404`, async () => {
      const content = blob(1024)
      const session = await repository.begin()
      const { location } = session
      expectStatus(await session.put(content.digest(), content.bytes), 201)
      const url = method === 'PUT' ? session.closing(content.digest()) : location
      const answer = await client.request(method, url, {
        ...(method === 'PATCH' || method === 'PUT' ? { body: content.bytes } : {}),
      })
      expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
    })

    beyond(`${method} of a session through another repository -> 404, and it lives on`, async () => {
      const other = newRepository('thief')
      await other.pushBlob(blob())
      const session = await repository.begin()
      const content = blob(1024)
      const stolen = session.location.replace(`/v2/${repository.name}/`, `/v2/${other.name}/`)
      const thief = Object.assign(await other.begin(), { location: stolen })
      const url = method === 'PUT' ? thief.closing(content.digest()) : stolen
      const answer = await client.request(method, url, {
        ...(method === 'PATCH' || method === 'PUT' ? { body: content.bytes } : {}),
      })
      expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
      expectStatus(await session.put(content.digest(), content.bytes), 201)
    })
  }

  beyond('a session can be opened without a Content-Length', async () => {
    const answer = await client.request('POST', repository.path('blobs/uploads/'))
    expectStatus(answer, 202)
    expectStatus(await new Session(client, answer).cancel(), 204)
  })
})
