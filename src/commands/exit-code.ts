/** What commands end with; docs/exit-codes.md says for each command what that means. */
export const EXIT = {
  /** Something was found or is lacking. */
  FINDINGS: 1,
  /** The command could not run, or not to its end. */
  FAILED: 2,
  /** By SIGINT or SIGTERM, before its end. */
  STOPPED: 130,
} as const
