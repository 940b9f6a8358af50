/** What the suite runs against, and how hard. `run.ts` writes it to the environment, the specs read it from there. */
export interface Target {
  readonly url: URL
  readonly user: string | undefined
  readonly password: string | undefined
  /** A bearer token that is sent as it is. */
  readonly token: string | undefined
  /** How many requests the generator tries. */
  readonly hostile: number
  /** Seed of the generator: the same seed gives the same requests. */
  readonly seed: number
}

const NAMES = {
  url: 'CONFORMANCE_URL',
  user: 'CONFORMANCE_USER',
  password: 'CONFORMANCE_PASSWORD',
  token: 'CONFORMANCE_TOKEN',
  hostile: 'CONFORMANCE_HOSTILE',
  seed: 'CONFORMANCE_SEED',
} as const

/** Hands the target to the specs, which mocha loads without arguments. */
export function publishTarget(target: Target, env: NodeJS.ProcessEnv): void {
  for (const [field, name] of Object.entries(NAMES)) {
    const value = target[field as keyof Target]
    if (value !== undefined) env[name] = String(value)
  }
}

/** The target of this run. */
export function readTarget(env: NodeJS.ProcessEnv): Target {
  return {
    url: new URL(env[NAMES.url] ?? 'http://127.0.0.1:5000'),
    user: env[NAMES.user],
    password: env[NAMES.password],
    token: env[NAMES.token],
    hostile: Number(env[NAMES.hostile] ?? 500),
    seed: Number(env[NAMES.seed] ?? 1),
  }
}
