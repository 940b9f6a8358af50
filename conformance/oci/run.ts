import { readdirSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import Mocha from 'mocha'
import { Tally } from './report.ts'
import { publishTarget } from './target.ts'

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number')
  return Number(text)
}

function address(text: string): URL {
  if (!/^https?:/.test(text) || !URL.canParse(text)) throw new InvalidArgumentError('http://host:port')
  return new URL(text)
}

const program = new Command('conformance')
  .description(
    'Runs the black-box suite against a registry. Everything it pushes is below conformance/, and is deleted at the end.',
  )
  .argument('<url>', 'the registry, such as http://127.0.0.1:5000', address)
  .option('--user <name>', 'user that may push', 'conformance')
  .option('--password <password>', 'password of that user')
  .option('--token <token>', 'bearer token, sent as it is in place of user and password')
  .option('--hostile <requests>', 'how many generated hostile requests to try', count, 500)
  .option('--seed <seed>', 'seed of the generator', count, Date.now() % 1_000_000)
  .option('--only <text>', 'only cases whose section or sentence matches this regular expression')
  .option('--reporter <name>', "mocha's reporter: spec, dot, min, json", 'spec')
  .parse()

const [url] = program.processedArgs as [URL]
const options = program.opts<{
  user: string
  password?: string
  token?: string
  hostile: number
  seed: number
  only?: string
  reporter: string
}>()
const { password, token, hostile, seed, only } = options
// A name alone is no login.
const user = password === undefined ? undefined : options.user
publishTarget({ url, user, password, token, hostile, seed }, process.env)

const mocha = new Mocha({ timeout: 240_000, slow: 2_000, reporter: options.reporter, forbidOnly: true })
if (only !== undefined) mocha.grep(new RegExp(only, 'i'))
for (const file of readdirSync(import.meta.dirname)
  .filter(name => name.endsWith('.spec.ts'))
  .sort()) {
  mocha.addFile(`${import.meta.dirname}/${file}`)
}
await mocha.loadFilesAsync()
const runner = mocha.run(failures => {
  console.log([`${url.href} seed ${seed}`, ...tally.lines()].join('\n'))
  process.exit(failures === 0 ? 0 : 1)
})
const tally = new Tally(runner)
