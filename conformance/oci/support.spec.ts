import { expectHeader, expectStatus } from './expect.ts'
import { beyond, client, must } from './suite.ts'

describe('Determining support:', () => {
  must('GET /v2/ with the credentials it asks for -> 200', async () => {
    expectStatus(await client.get('/v2/'), 200)
  })

  beyond('HEAD /v2/ with the credentials it asks for -> 200', async () => {
    expectStatus(await client.head('/v2/'), 200)
  })

  beyond('/v2/ names the API version, which old docker clients look for', async () => {
    expectHeader(await client.get('/v2/'), 'docker-distribution-api-version', 'registry/2.0')
  })
})
