import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const PROJECT = fileURLToPath(new URL('../', import.meta.url))

/** Code of a Markdown text, in which brackets are no links. */
const CODE = /^```[\s\S]*?^```$|`[^`\n]+`/gm

async function texts(): Promise<string[]> {
  const docs = await readdir(join(PROJECT, 'docs'))
  return ['README.md', 'ARCHITECTURE.md', ...docs.map(name => `docs/${name}`)].filter(name =>
    name.endsWith('.md'),
  )
}

/** The anchors that GitHub makes of the headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** What is wrong with a relative link in the text, or undefined. */
function fault(text: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? join(PROJECT, text) : join(PROJECT, dirname(text), path)
  if (!existsSync(target)) return `${text}: ${link}: ${relative(PROJECT, target)} does not exist`
  if (anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).includes(anchor)) return undefined
  return `${text}: ${link}: there is no such heading`
}

describe('the documentation', () => {
  it('has no relative link that leads nowhere', async () => {
    const faults: (string | undefined)[] = []
    let links = 0
    for (const text of await texts()) {
      const markdown = await readFile(join(PROJECT, text), 'utf8')
      // A link whose text is code keeps its brackets.
      for (const [, link = ''] of markdown.replace(CODE, '').matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue
        links++
        faults.push(fault(text, link))
      }
    }
    expect(faults.filter(Boolean)).to.deep.equal([])
    expect(links).to.be.greaterThan(20)
  })

  it('is linked from README, every page of it', async () => {
    const readme = await readFile(join(PROJECT, 'README.md'), 'utf8')
    for (const text of await texts()) if (text !== 'README.md') expect(readme).to.include(`(${text})`)
  })
})
