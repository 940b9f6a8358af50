import { RegistryError } from '../../src/oci/errors.ts'

/** The name of the RegistryError that the work fails with, or the message of another error. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return error instanceof RegistryError ? error.error : (error as Error).message
  }
  return 'nothing: it went well'
}
