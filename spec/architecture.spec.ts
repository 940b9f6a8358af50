import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import manifest from '../package.json' with { type: 'json' }

interface Import {
  readonly file: string
  /** A file of src, or the name of a package. */
  readonly target: string
  /** Gone when the program runs. */
  readonly typeOnly: boolean
}

/**
 * What the files of a folder, or one file of the root, may import of src.
 * ARCHITECTURE.md has the same table in words.
 */
const MAY: Record<string, RegExp> = {
  lib: /^lib\//,
  plugin: /^(?:lib|plugin)\//,
  oci: /^(?:lib|oci)\//,
  signature: /^(?:lib|oci|signature)\//,
  store: /^(?:lib|oci|store)\//,
  // The journal is written with the care of the store.
  index: /^(?:lib|oci|index)\/|^store\/durable\.ts$/,
  // A backup is written with the care of the store.
  archive: /^(?:lib|oci|archive)\/|^store\/durable\.ts$/,
  remote: /^(?:lib|oci|remote)\//,
  analyzer: /^(?:lib|plugin|analyzer)\/|^oci\/(?:digest|errors)\.ts$|^archive\/tar-files\.ts$/,
  documents: /^(?:lib|oci|documents)\//,
  core: /^(?:lib|plugin|oci|archive|core)\/|^(?:store|remote)\/contract\.ts$|^remote\/error\.ts$|^index\/(?:contract|tables|search-tables|token-tables|upstream-tables|batch|keys)\.ts$/,
  http: /^(?:lib|plugin|oci|core|http)\/|^log\.ts$/,
  'log.ts': /^log-text\.ts$/,
  'log-text.ts': /^$/,
  'settings.ts': /^log\.ts$|^setting-values\.ts$|^lib\//,
  'setting-values.ts': /^log\.ts$|^lib\//,
  'env-file.ts': /^$/,
  'config.ts': /^(?:mirror-)?settings\.ts$|^lib\//,
  'mirror-settings.ts': /^(?:lib|oci)\/|^mirrors-file\.ts$/,
  'mirrors-file.ts': /^(?:lib|oci)\//,
  'bearer-token.ts': /^lib\//,
  'compose.ts': /^(?!commands\/|cli\.ts)/,
  commands: /^(?!cli\.ts|analyzer\/|documents\/)/,
  'cli.ts': /^(?:commands\/|config\.ts$|env-file\.ts$|log\.ts$|lib\/)/,
}

/** The same, of their types only. */
const MAY_TYPES: Record<string, RegExp> = {
  oci: /^plugin\//,
  index: /^plugin\//,
  remote: /^plugin\//,
  core: /^signature\/verifier\.ts$|^analyzer\/unpack\.ts$/,
  http: /^store\/contract\.ts$/,
}

/** What core's own files, and those of its folders, may import of core. */
const MAY_OF_CORE: Record<string, RegExp> = {
  core: /^core\/(?:[^/]+|mirror\/mirrored\.ts|garbage\/garbage-rules\.ts)$/,
  'core/registry.ts': /^core\//,
  'core/garbage': /^core\/(?:garbage\/)?[^/]+$/,
  'core/backup': /^core\/(?:backup\/)?[^/]+$/,
  'core/mirror': /^core\/(?:(?:mirror|garbage)\/)?[^/]+$/,
}

/** Who may import a package. */
const PACKAGES: Record<string, RegExp> = {
  '@noble/secp256k1': /^signature\//,
  'tar-stream': /^archive\//,
  ajv: /^oci\/|^mirrors-file\.ts$/,
  level: /^index\//,
  koa: /^http\/|^compose\.ts$/,
  '@koa/router': /^http\//,
  '@fastify/busboy': /^http\//,
  jose: /^http\//,
  undici: /^remote\//,
  tldts: /^remote\//,
  pino: /^log\.ts$/,
  commander: /^cli\.ts$/,
}

/** The implementations of contracts, and who may know of them beside their own folder. */
const IMPLEMENTATIONS: Record<string, RegExp> = {
  'store/fs-store.ts': /^compose\.ts$/,
  'index/level-index.ts': /^compose\.ts$/,
  'index/index-folder.ts': /^compose\.ts$|^commands\//,
  'analyzer/pool.ts': /^compose\.ts$/,
  'documents/pool.ts': /^compose\.ts$/,
}

const SRC = fileURLToPath(new URL('../src', import.meta.url))
const MOST_LINES = 300

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map(file => file.replaceAll('\\', '/'))
  .filter(file => file.endsWith('.ts'))
  .sort()
const textOf = (file: string) => readFileSync(join(SRC, file), 'utf8')
const folderOf = (file: string) => file.split('/', 1)[0] ?? file
const imports = files.flatMap(importsOf)
const within = imports.filter(({ target }) => target.endsWith('.ts'))
const packages = imports.filter(({ target }) => !target.endsWith('.ts') && !target.startsWith('node:'))

function importsOf(file: string): Import[] {
  const text = textOf(file)
  const found: Import[] = []
  for (const [, clause = '', from = ''] of text.matchAll(/^(?:import|export)\s([^'"]*?from\s)?'([^']+)'/gm)) {
    const members =
      /\{([^}]*)\}/
        .exec(clause)?.[1]
        ?.split(',')
        .map(member => member.trim()) ?? []
    const inline = members.filter(member => member !== '').every(member => member.startsWith('type '))
    const typeOnly = clause.startsWith('type ') || (/^\{/.test(clause.trim()) && inline)
    found.push({ file, target: targetOf(file, from), typeOnly })
  }
  // Loaded while the program runs: import('./x.ts'), new URL('./x.ts', import.meta.url).
  for (const [, from = ''] of text.matchAll(/\b(?:import|URL)\(\s*'([^'$]+)'/g)) {
    if (from.endsWith('.ts') || !from.startsWith('.'))
      found.push({ file, target: targetOf(file, from), typeOnly: false })
  }
  return found
}

function targetOf(file: string, from: string): string {
  if (!from.startsWith('.')) return from
  return posix.normalize(posix.join(posix.dirname(file), from))
}

describe('architecture', () => {
  it('sees the imports', () => {
    expect(files).to.include('core/registry.ts')
    expect(within.length).to.be.above(100)
    expect(packages.map(({ target }) => target)).to.include('koa')
    expect(importsOf('core/parts.ts').every(({ typeOnly }) => typeOnly)).to.equal(true)
    expect(importsOf('compose.ts')).to.deep.include({ file: 'compose.ts', target: 'koa', typeOnly: true })
  })

  for (const folder of new Set(files.map(folderOf))) {
    it(`src/${folder} imports only what lies below it`, () => {
      const own = within.filter(({ file }) => folderOf(file) === folder)
      expect(MAY, 'a new folder needs its line in the table').to.have.property(folder)
      for (const { file, target, typeOnly } of own) {
        const allowed = MAY[folder]?.test(target) || (typeOnly && MAY_TYPES[folder]?.test(target))
        expect(allowed, `${file} imports ${typeOnly ? 'types of ' : ''}${target}`).to.equal(true)
      }
    })
  }

  // The types of mirrors are among the parts that all rules stand on.
  it("core's folders stand on its own files, which know nothing of them but what they are held to", () => {
    const ofCore = within.filter(
      ({ file, target }) => folderOf(file) === 'core' && folderOf(target) === 'core',
    )
    for (const { file, target, typeOnly } of ofCore) {
      const may = MAY_OF_CORE[file] ?? MAY_OF_CORE[posix.dirname(file)]
      expect(may, 'a new folder needs its line in the table').not.to.equal(undefined)
      const allowed = may?.test(target) || (typeOnly && target.startsWith('core/mirror/'))
      expect(allowed, `${file} imports ${typeOnly ? 'types of ' : ''}${target}`).to.equal(true)
    }
  })

  // A part may name a type of the whole that it is part of: nothing of that is there when the program runs.
  it('has no cycles', () => {
    const values = within.filter(({ typeOnly }) => !typeOnly)
    const graph = new Map(files.map(file => [file, values.filter(one => one.file === file)]))
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file))
        expect.fail(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`)
      if (done.has(file)) return
      for (const { target } of graph.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
  })

  it('imports only files that are there', () => {
    for (const { file, target } of within) expect(files, `${file} imports ${target}`).to.include(target)
  })

  for (const [name, may] of Object.entries(PACKAGES)) {
    it(`${name} is imported where it belongs only`, () => {
      const users = packages.filter(({ target }) => target === name)
      expect(users, 'nobody needs it').not.to.have.length(0)
      for (const { file } of users) expect(file).to.match(may)
    })
  }

  it('imports only packages of the table, which package.json has, and no others', () => {
    expect(Object.keys(PACKAGES).sort()).to.deep.equal(Object.keys(manifest.dependencies).sort())
    for (const { file, target } of packages) expect(PACKAGES, file).to.have.property(target)
  })

  it('outside of http, koa is a type', () => {
    const others = packages.filter(({ file, target }) => target === 'koa' && folderOf(file) !== 'http')
    for (const { file, typeOnly } of others) expect(typeOnly, file).to.equal(true)
  })

  it('spells builtin modules with node:', () => {
    for (const { file, target } of packages) expect(builtinModules, file).not.to.include(target)
  })

  for (const [implementation, may] of Object.entries(IMPLEMENTATIONS)) {
    it(`${implementation} is named where it is chosen only`, () => {
      expect(files).to.include(implementation)
      const users = within.filter(
        ({ file, target }) => target === implementation && folderOf(file) !== folderOf(implementation),
      )
      for (const { file } of users) expect(file).to.match(may)
    })
  }

  it('has no barrels', () => {
    for (const file of files) {
      expect(textOf(file), file).not.to.match(/^export \*/m)
      expect(posix.basename(file), file).not.to.equal('index.ts')
      const reexports = importsOf(file).filter(({ target }) =>
        new RegExp(`^export [^'\\n]* from '[^']*${target}'`, 'm').test(textOf(file)),
      )
      expect(reexports.length, `${file} exports what is not its own`).to.be.below(3)
    }
  })

  it('has no state in modules', () => {
    for (const file of files) expect(textOf(file), file).not.to.match(/^(?:export )?(?:let|var) /m)
  })

  it('has no default exports', () => {
    for (const file of files) expect(textOf(file), file).not.to.match(/^export default/m)
  })

  it(`has no file of more than ${MOST_LINES} lines`, () => {
    for (const file of files) {
      expect(textOf(file).split('\n').length, `src/${file} holds two nouns`).to.be.at.most(MOST_LINES)
    }
  })
})
