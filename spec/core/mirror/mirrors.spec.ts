import { expect } from 'chai'
import { type MirrorRules, Mirrors } from '../../../src/core/mirror/mirrors.ts'
import type { OciUpstream } from '../../../src/remote/contract.ts'
import { RemoteError, type RemoteFailure } from '../../../src/remote/error.ts'
import { refusal } from '../../support/refusal.ts'
import { repo, tag } from '../../support/registry.ts'

describe('core/mirror/mirrors', () => {
  const mirrors = (...rules: Partial<MirrorRules>[]) =>
    new Mirrors(
      rules.map(more => ({
        rules: {
          name: 'hub',
          namespace: undefined,
          hosts: [],
          prefix: undefined,
          allow: ['**'],
          deny: [],
          tagTtl: 1000,
          immutableTags: [],
          negativeTtl: 60_000,
          ...more,
        },
        // Nobody asks it here: what is asked are the routes.
        upstream: { name: more.name ?? 'hub' } as OciUpstream,
      })),
    )

  const routes = (of: Mirrors, repository: string) =>
    of.routes(repo(repository)).map(({ rules, repository: name }) => `${rules.name} ${name}`)

  it('none -> nothing is mirrored', () => {
    expect(mirrors().configured).to.equal(false)
    expect(routes(mirrors(), 'app')).to.deep.equal([])
  })

  it('under a prefix -> the upstream’s repository without it, and nothing else', () => {
    const both = mirrors({ name: 'hub', prefix: 'docker.io' }, { name: 'all' })
    expect(routes(both, 'docker.io/library/alpine')).to.deep.equal(['hub library/alpine'])
    expect(routes(both, 'docker.io')).to.deep.equal(['all docker.io'])
    expect(routes(both, 'docker.io.example/app')).to.deep.equal(['all docker.io.example/app'])
    expect(both.prefixed(repo('docker.io/app'))).to.equal(true)
    expect(both.prefixed(repo('docker.io'))).to.equal(false)
    expect(both.prefixed(repo('app'))).to.equal(false)
  })

  it('a prefix in another one -> the longer one', () => {
    const both = mirrors({ name: 'outer', prefix: 'a' }, { name: 'inner', prefix: 'a/b' })
    expect(routes(both, 'a/b/app')).to.deep.equal(['inner app'])
    expect(routes(both, 'a/c/app')).to.deep.equal(['outer c/app'])
  })

  it('several of one prefix -> all of them, in their order', () => {
    expect(
      routes(mirrors({ name: 'one', prefix: 'x' }, { name: 'two', prefix: 'x' }), 'x/app'),
    ).to.deep.equal(['one app', 'two app'])
  })

  it('allow and deny -> what both say of the upstream’s name; what is denied under a prefix stays under it', () => {
    const hub = mirrors(
      { name: 'hub', prefix: 'hub', allow: ['library/*', 'team/**'], deny: ['team/secret*', '**/x'] },
      { name: 'all' },
    )
    expect(routes(hub, 'hub/library/alpine')).to.deep.equal(['hub library/alpine'])
    expect(routes(hub, 'hub/team/a/b')).to.deep.equal(['hub team/a/b'])
    for (const name of ['hub/other', 'hub/library/a/b', 'hub/team/secrets', 'hub/team/a/x'])
      expect(routes(hub, name), name).to.deep.equal([])
    expect(hub.prefixed(repo('hub/other'))).to.equal(true)
  })

  it('a namespace -> the name here; undefined if no mirror has it', () => {
    const both = mirrors({ namespace: 'docker.io', prefix: 'docker.io' }, { namespace: 'ghcr.io' })
    expect(both.localName('docker.io', 'library/alpine')).to.equal('docker.io/library/alpine')
    expect(both.localName('ghcr.io', 'app')).to.equal('app')
    for (const unknown of ['quay.io', '', 'docker.io.example'])
      expect(both.localName(unknown, 'app'), unknown).to.equal(undefined)
  })

  it('a host of the upstream is a namespace too, unless it is the namespace of another mirror', () => {
    const both = mirrors(
      { hosts: ['docker.io', 'registry-1.docker.io'], prefix: 'plain' },
      { namespace: 'docker.io', prefix: 'named' },
    )
    expect(both.localName('registry-1.docker.io', 'app')).to.equal('plain/app')
    expect(both.localName('docker.io', 'app')).to.equal('named/app')
  })

  it('a tag -> holds for its time, for ever where it never changes', () => {
    const [route] = mirrors({ immutableTags: [/^v\d+$/] }).routes(repo('app'))
    if (!route) throw new Error('there is one')
    expect(Mirrors.holds(route, tag('latest'), 999)).to.equal(true)
    expect(Mirrors.holds(route, tag('latest'), 1000)).to.equal(false)
    expect(Mirrors.holds(route, tag('v1'), 1e12)).to.equal(true)
  })

  describe('ask', () => {
    const both = () => mirrors({ name: 'one' }, { name: 'two' })

    /** What comes of upstreams that answer so, and who was asked. */
    async function asking(of: Mirrors, says: Record<string, RemoteFailure | 'well'>, what = 'it') {
      const asked: string[] = []
      try {
        const answered = await of.ask(of.routes(repo('app')), what, async ({ rules: { name } }) => {
          asked.push(name)
          const failure = says[name]
          if (failure && failure !== 'well') throw new RemoteError(name, failure, `${name} ${failure}`)
          return name
        })
        return { asked, outcome: answered?.answer }
      } catch (error) {
        return { asked, outcome: (error as Error).message }
      }
    }

    it('the first that has it answers', async () => {
      expect(await asking(both(), { one: 'well' })).to.deep.equal({ asked: ['one'], outcome: 'one' })
      expect(await asking(both(), { one: 'unknown' })).to.deep.equal({
        asked: ['one', 'two'],
        outcome: 'two',
      })
      expect(await asking(both(), { one: 'timeout' })).to.deep.equal({
        asked: ['one', 'two'],
        outcome: 'two',
      })
    })

    it('none has it -> undefined; not where one of them could not tell', async () => {
      expect((await asking(both(), { one: 'unknown', two: 'unknown' })).outcome).to.equal(undefined)
      expect((await asking(both(), { one: 'timeout', two: 'unknown' })).outcome).to.equal('one timeout')
      expect((await asking(both(), { one: 'unknown', two: 'failed' })).outcome).to.equal('two failed')
    })

    it('what one does not have -> it is not asked for it again for a while', async () => {
      const of = both()
      await asking(of, { one: 'unknown', two: 'failed' })
      expect((await asking(of, { one: 'well' })).asked).to.deep.equal(['two'])
      expect((await asking(of, { one: 'well' }, 'something else')).asked).to.deep.equal(['one'])
    })

    it('other errors -> are not the upstream’s', async () => {
      const of = both()
      const broken = of.ask(of.routes(repo('app')), 'it', async () => {
        throw new Error('a bug')
      })
      expect(await refusal(broken)).to.equal('a bug')
    })
  })
})
