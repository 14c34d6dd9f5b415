/** The part of `pg` (node-postgres) that this backend uses, so that a pool of the application's own fits as well. */
import { UnsupportedError } from "../../../contract/errors.js";

/** A statement as `pg` takes it. */
export interface PgStatement {
  readonly text: string;
  readonly values?: unknown[];
  readonly name?: string;
  readonly types?: { getTypeParser(oid: number): (value: never) => unknown };
}

/** A query that sends itself, as `pg` takes it from those who make their own. */
export interface PgSubmittable {
  submit(connection: never): Error | null;
}

/** A connection that was taken from a pool. */
export interface PgClient {
  query(statement: PgStatement): Promise<unknown>;
  query<Own extends PgSubmittable>(query: Own): Own;
  release(destroy?: boolean | Error): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: { readonly payload?: string | undefined }) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** A pool of connections: `new Pool()` of `pg`, or what behaves like it. */
export interface PgPool {
  connect(): Promise<PgClient>;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "acquire", listener: (client: PgClient) => void): unknown;
  on(event: "release", listener: (error: Error, client: PgClient) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "acquire", listener: (client: PgClient) => void): unknown;
  removeListener(event: "release", listener: (error: Error, client: PgClient) => void): unknown;
  /** What it was made with, as far as a health check tells it. */
  readonly options?: { readonly max?: number | undefined };
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** What this backend takes from `pg` itself. */
export interface PgModule {
  readonly Pool: new (settings: { readonly [name: string]: unknown }) => PgPool;
}

/**
 * Loads `pg`, which the application installs.
 * @throws UnsupportedError that says how
 */
export async function loadPg(): Promise<PgModule> {
  try {
    return (await import("pg")).default as unknown as PgModule;
  } catch (error) {
    throw new UnsupportedError("the PostgreSQL backend needs the package pg: npm install pg", { cause: error });
  }
}
