/** What every operation takes last, and what every listing gives back. */

/** Options of every operation. */
export interface CallOptions {
  /** Gives the call up; it rejects with `AbortedError`, whose `cause` is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline of this call in milliseconds. Default: the storage's `timeoutMs`, 10,000 if not set (F2). */
  readonly timeoutMs?: number | undefined;
}

/** One page of a listing, in the order that the query asked for. */
export interface Page<T> {
  readonly items: T[];
  /** Pass it as `cursor` with the same query to get the next page; absent on the last page. */
  readonly nextCursor?: string;
}

/** What every paged query takes. */
export interface PageQuery extends CallOptions {
  /** Most items in a page, 1 to 1,000. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before, of the same query. */
  readonly cursor?: string | undefined;
}

/** Half-open range of instants: `from <= t < to`. */
export interface TimeRange {
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** What a write carries to prove that its writer still owns the subject (L1). */
export interface LeaseHeld {
  /** Lease of the session or thread that is written. A superseded one rejects with `FencedError`. */
  readonly lease?: Lease | undefined;
}

/** What a lease is for. */
export type LeaseSubject = { readonly session: string } | { readonly thread: string };

/** The right to write to one session or thread. */
export interface Lease {
  readonly subject: LeaseSubject;
  /** Fencing token: grows with every acquisition in the tenant, never used twice. */
  readonly token: number;
  /** Who holds it, for people. */
  readonly owner: string;
  readonly acquiredAt: Date;
  /** From this instant another owner may acquire. Writes under the lease stay valid until one does. */
  readonly expiresAt: Date;
}
