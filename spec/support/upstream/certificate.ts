import { execFileSync } from 'node:child_process'

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** A certificate that signs itself, for names such as `DNS:registry.example` and `IP:127.0.0.1`. */
export function selfSigned(...names: readonly string[]): Certificate {
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const about = ['-days', '2', '-subj', '/CN=upstream', '-addext', `subjectAltName=${names.join(',')}`]
  const pem = execFileSync('openssl', [...request, ...about, '-keyout', '-', '-out', '-'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const cut = pem.indexOf('-----BEGIN CERTIFICATE')
  return { key: pem.slice(0, cut), cert: pem.slice(cut) }
}
