import { RegistryError } from '../oci/errors.ts'

/** What a command says of an error: of a disk what the system says, which need not be the registry's. */
export function messageOf(error: unknown): string {
  const ofDisk = error instanceof RegistryError && ['STORAGE_FULL', 'READ_ONLY'].includes(error.error)
  const told = ofDisk && error.cause instanceof Error ? error.cause : error
  return told instanceof Error ? told.message : String(told)
}
