/** A kind of rows: a key prefix, the parts of the key, and how the value is written. */
export interface Table<Key extends readonly string[], Row> {
  readonly prefix: string
  readonly encoding: 'json' | 'bytes'
  /** Never there: carries the types. */
  readonly types?: [Key, Row]
}

/** One change of one row. */
export interface Op {
  readonly table: Table<readonly string[], unknown>
  readonly key: readonly string[]
  /** The new row; undefined removes it. */
  readonly row: unknown
}

export interface Entry<Key, Row> {
  readonly key: Key
  readonly row: Row
}

export interface Scan {
  /** Begins behind the keys whose next part is this. */
  after?: string | undefined
  /** Only keys whose next part begins with this. */
  partial?: string
}

export interface Page extends Scan {
  limit?: number
}

/** The rows of a table, or those of them whose keys begin with that part. */
export type Rows = readonly [table: Table<readonly string[], unknown>, first?: string]

/** Whether rows are as they were when it was made. It may say no where they are, never yes where they are not. */
export type Unchanged = () => boolean

/** What can be asked of ordered rows; also of a batch, which answers as if it were applied already. */
export interface Reader {
  get<Key extends readonly string[], Row>(table: Table<Key, Row>, ...key: Key): Promise<Row | undefined>
  /** The rows of these keys, in the order of the keys; undefined in the place of each that does not exist. */
  getMany<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    keys: readonly Readonly<Key>[],
  ): Promise<(Row | undefined)[]>
  /** Rows whose keys begin with these whole parts, in key order. */
  page<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    page?: Page,
  ): Promise<Entry<Key, Row>[]>
  /** The same one by one, read in small steps, for whoever stops early or goes through many. */
  scan<Key extends readonly string[], Row>(
    table: Table<Key, Row>,
    parts: readonly string[],
    options?: Scan,
  ): AsyncIterable<Entry<Key, Row>>
}

/** The rows of one moment, whatever changes since. While it is open, LevelDB keeps what is removed. */
export interface Snapshot extends Reader {
  close(): Promise<void>
}

/**
 * Ordered rows. Keys are compared bytewise, part by part, so the order of a table's key is the order of its queries.
 * All that several requests must agree on goes through `apply` and `exclusive`.
 */
export interface Index extends Reader {
  /** The rows with the changes that are on their way. They come in order, each only if those before it did. */
  readonly latest: Reader
  /** How many times changes did not come. */
  readonly failures: number
  /**
   * All or nothing, and durable when it resolves. Fails where changes failed since there were so many `failures`:
   * what `latest` had of them is gone.
   */
  apply(ops: readonly Op[], failures?: number): Promise<void>
  /** Runs alone among those that share one of the keys; how a read and the write that follows from it stay together. */
  exclusive<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>
  /** Runs side by side with others that share the keys, and apart from those that have one of them exclusively. */
  shared<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>
  /** As `exclusive`, where nobody is at work or in line under any of the keys; else undefined, at once. */
  attempt<T>(keys: readonly string[], work: () => Promise<T>): Promise<T | undefined>
  /** All changes that `apply` has made are in it. */
  snapshot(): Snapshot
  /** Made before the rows are read, it costs a few comparisons however often it is asked. */
  watch(...rows: readonly Rows[]): Unchanged
  /** Reads all that is stored. Throws `INDEX_DAMAGED`, and then at every read: what is missing cannot be told from what is not there. */
  verify(): Promise<void>
  /** Rejects, saying why, if rows cannot be read. */
  checkReads(): Promise<void>
  /** Rejects, saying why and since when, if changes are refused at the moment. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Sets a row. */
export function put<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Key, row: Row): Op {
  return { table, key, row }
}

/** Removes a row, if it is there. */
export function del<Key extends readonly string[], Row>(table: Table<Key, Row>, key: Key): Op {
  return { table, key, row: undefined }
}
