/**
 * Every error that a client can see: [HTTP status, code of the distribution-spec's table, message].
 * The status is decided here and nowhere else; what has no code in the spec's closed table
 * (distribution-spec, Error Codes) carries the nearest one.
 */
export const ERRORS = {
  BLOB_UNKNOWN: [404, 'BLOB_UNKNOWN', 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'BLOB_UPLOAD_INVALID', 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry'],
  BLOB_UPLOAD_OUT_OF_ORDER: [416, 'BLOB_UPLOAD_INVALID', 'the chunk does not begin where the upload ends'],
  BLOB_TOO_LARGE: [413, 'SIZE_INVALID', 'the blob is larger than this registry accepts'],
  DIGEST_INVALID: [400, 'DIGEST_INVALID', 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [
    404,
    'MANIFEST_BLOB_UNKNOWN',
    'manifest references a manifest or blob unknown to registry',
  ],
  MANIFEST_INVALID: [400, 'MANIFEST_INVALID', 'manifest invalid'],
  MANIFEST_TOO_LARGE: [413, 'SIZE_INVALID', 'the manifest is larger than this registry accepts'],
  MANIFEST_UNKNOWN: [404, 'MANIFEST_UNKNOWN', 'manifest unknown to registry'],
  NAME_INVALID: [400, 'NAME_INVALID', 'invalid repository name'],
  NAME_UNKNOWN: [404, 'NAME_UNKNOWN', 'repository name not known to registry'],
  TAG_INVALID: [400, 'MANIFEST_INVALID', 'invalid tag'],
  TAGS_TOO_MANY: [414, 'MANIFEST_INVALID', 'too many tags for one manifest push'],
  PAGE_INVALID: [400, 'UNSUPPORTED', 'invalid page parameter'],
  SIZE_INVALID: [400, 'SIZE_INVALID', 'provided length did not match content length'],
  RANGE_INVALID: [416, 'SIZE_INVALID', 'the range lies outside the content'],
  PRECONDITION_FAILED: [412, 'DENIED', 'the tag is not what If-Match or If-None-Match ask for'],
  UNAUTHORIZED: [401, 'UNAUTHORIZED', 'authentication required'],
  DENIED: [403, 'DENIED', 'requested access to the resource is denied'],
  UNSUPPORTED: [400, 'UNSUPPORTED', 'the operation is unsupported'],
  METHOD_NOT_ALLOWED: [405, 'UNSUPPORTED', 'the method is not allowed here'],
  NOT_FOUND: [404, 'UNSUPPORTED', 'no such endpoint'],
  BAD_REQUEST: [400, 'UNSUPPORTED', 'bad request'],
  TOOMANYREQUESTS: [429, 'TOOMANYREQUESTS', 'too many requests'],
  INDEX_INCOMPLETE: [
    409,
    'DENIED',
    'garbage is not collected: the index was lost, or saved in part, and may not know what is needed; ' +
      'where nothing is missed, stop the registry and run memflow-registry reindex, and it is collected again',
  ],
  INDEX_DAMAGED: [
    500,
    'UNSUPPORTED',
    'the index is damaged; stop the registry and make it anew: memflow-registry reindex --from-journal',
  ],
  INTERNAL: [500, 'UNSUPPORTED', 'the registry failed; its log says why'],
  OUT_OF_DESCRIPTORS: [503, 'TOOMANYREQUESTS', 'the registry has too many files and connections open'],
  OVERLOADED: [503, 'TOOMANYREQUESTS', 'the registry has too much to do at the moment; try again soon'],
  READ_ONLY: [503, 'UNSUPPORTED', 'the registry takes no writes at the moment'],
  UPSTREAM_FAILED: [502, 'UNSUPPORTED', 'the upstream of this mirror failed'],
  UPSTREAM_UNREACHABLE: [503, 'UNSUPPORTED', 'the upstream of this mirror cannot be reached'],
  UPSTREAM_TIMEOUT: [504, 'UNSUPPORTED', 'the upstream of this mirror did not answer in time'],
  UPSTREAM_BUSY: [429, 'TOOMANYREQUESTS', 'the upstream of this mirror asks to come back later'],
  STORAGE_FULL: [507, 'DENIED', 'the storage of this registry is full'],
  PLUGIN_UNKNOWN: [404, 'BLOB_UNKNOWN', 'plugin not found'],
  PLUGIN_INVALID: [400, 'MANIFEST_INVALID', 'not a memflow plugin'],
  PLUGIN_TOO_LARGE: [413, 'SIZE_INVALID', 'the plugin is larger than this registry accepts'],
  SIGNATURE_INVALID: [400, 'MANIFEST_INVALID', 'Signature error: file signature is invalid'],
} as const satisfies Record<string, readonly [status: number, code: string, message: string]>

export type ErrorName = keyof typeof ERRORS

interface ErrorOptions {
  /** Says what is wrong and what to do, in place of the table's message. */
  message?: string
  /** Facts for programs; rendered as the `detail` of the spec's error form. */
  detail?: unknown
  /** What lay below; goes to the log, never to the client. */
  cause?: unknown
  /** Headers that the answer needs, such as `Range` on a 416 or `WWW-Authenticate` on a 401. */
  headers?: Record<string, string>
}

/** Thrown where a request's meaning is known, rendered once in `http/errors.ts`. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly error: ErrorName
  readonly detail: unknown
  readonly headers: Record<string, string>

  constructor(error: ErrorName, options: ErrorOptions = {}) {
    super(
      options.message ?? ERRORS[error][2],
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.error = error
    this.detail = options.detail
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return ERRORS[this.error][0]
  }

  /** The identifier of the distribution-spec's error table. */
  get code(): string {
    return ERRORS[this.error][1]
  }
}
