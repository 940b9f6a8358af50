import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { run } from '../support/process.ts'

/** A pull of a client in a process of its own; in seconds. */
export interface Transfer {
  readonly first: number
  readonly whole: number
}

/** So many pulls at the same time by curl, which keeps nothing. Throws where one is not answered with 200. */
export async function transfers(url: string, clients = 1): Promise<Transfer[]> {
  const outputs = Array.from({ length: clients }, () => ['-o', '/dev/null', url]).flat()
  const line = '%{http_code} %{size_download} %{time_starttransfer} %{time_total}\\n'
  const options = ['-sS', '-w', line, '-H', `Accept: ${OCI_MANIFEST}, */*`]
  const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(clients)]
  const { code, stdout, stderr } = await run('curl', [
    ...options,
    ...(clients > 1 ? parallel : []),
    ...outputs,
  ])
  const pulls = stdout.toString().trim().split('\n')
  if (code !== 0 || pulls.some(pull => !pull.startsWith('200 ')))
    throw new Error(`${url}: ${stderr}${stdout}`)
  return pulls.map(pull => {
    const [, , first, whole] = pull.split(' ').map(Number)
    return { first: first ?? 0, whole: whole ?? 0 }
  })
}
