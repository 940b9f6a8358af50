import { readFileSync } from 'node:fs'
import { errno, systemCode } from './errno.ts'

/** An error of the system with what to do about it: a missing permission names the file and the user of this process. */
export function inWords(error: Error): string {
  const code = systemCode(error)
  const path = pathOf(error)
  if ((code !== 'EACCES' && code !== 'EPERM') || path === undefined) return error.message
  const user = process.geteuid ? userName(process.geteuid()) : 'this user'
  return `${user} has no permission for ${path} (${code}): run this as the owner of it, or give it to ${user} (chown)`
}

/** The name of the user, or `#` and the number, as sudo takes them. */
export function userName(uid: number): string {
  try {
    const users = readFileSync('/etc/passwd', 'utf8')
    return (
      users
        .split('\n')
        .find(line => line.split(':')[2] === String(uid))
        ?.split(':')[0] ?? `#${uid}`
    )
  } catch {
    return `#${uid}`
  }
}

/** LevelDB has the path in its words alone. */
function pathOf(error: Error): string | undefined {
  if (errno(error) && 'path' in error && typeof error.path === 'string') return error.path
  return /IO error: (\/.*): Permission denied/.exec(error.message)?.[1]
}
