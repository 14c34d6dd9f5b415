/** Whether the storage keeps vectors (M4): where the database has the extension `vector`, which is pgvector, and tables for them. */
import { StorageConnectionError, UnsupportedError } from "../../contract/errors.js";
import type { HealthCheck } from "../../contract/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import { quotedName, type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { isAnswer, lacksRights } from "./errors.js";
import { lockSchema } from "./schema/migrate.js";
import { GUARD_ROWS } from "./schema/row-security.js";
import { VECTOR_TABLES } from "./schema/vector-tables.js";
import type { Database } from "./store.js";

interface Found {
  /** Where the extension is; `null` when the database has not got it. */
  readonly schema: string | null;
  readonly version: string | null;
  readonly tables: boolean;
}

/** Looks for vectors, and makes their tables where that may be and can be done. */
export async function prepareVectors(db: Database, call: Call): Promise<void> {
  if ((await lookForVectors(db, call)) || !db.options.migrate) return;
  await makeVectorTables(db, call);
}

/**
 * Makes the tables where the extension is. A server without it is no fault: whatever the server refuses is kept as the reason for
 * which vectors are refused.
 */
export async function makeVectorTables(db: Database, call: Call): Promise<void> {
  let refusal: string | undefined;
  if (db.options.createExtension) {
    refusal = await refusalOf(db, call, ["CREATE EXTENSION IF NOT EXISTS vector"], {
      rights: "the database user may not create the extension vector",
      otherwise: "the server has no extension vector to create: install pgvector there",
    });
  }
  const [found] = await db.read<Found>(call, selectFound(db));
  if (found !== undefined && found.schema !== null && !found.tables) {
    db.statements.useVectors(found.schema);
    const guard = db.rowSecurity.asked ? [GUARD_ROWS] : [];
    refusal = await refusalOf(db, call, [VECTOR_TABLES, ...guard], {
      rights: "the database user may not make the tables for vectors",
      otherwise: "the tables for vectors could not be made",
    });
  }
  const ready = await lookForVectors(db, call);
  if (!ready && refusal !== undefined) db.vectors = { kind: "refused", reason: refusal };
}

/** Whether vectors are kept as of now: the tables may have come since the storage was opened. */
export async function lookForVectors(db: Database, call: Call): Promise<boolean> {
  const [found] = await db.read<Found>(call, selectFound(db));
  if (found === undefined || found.schema === null) {
    return stillMissing(db, "the database has no extension vector, which is pgvector");
  }
  if (!found.tables) return stillMissing(db, "the schema has no tables for vectors");
  db.statements.useVectors(found.schema);
  db.vectors = { kind: "ready", version: found.version ?? "" };
  return true;
}

/** Why the server has refused to make something says more than that it is not there. */
function stillMissing(db: Database, reason: string): false {
  if (db.vectors.kind !== "refused") db.vectors = { kind: "missing", reason };
  return false;
}

/** @throws UnsupportedError, before anything is written (F6) */
export async function requireVectors(db: Database, call: Call): Promise<void> {
  if (db.vectors.kind !== "ready") await lookForVectors(db, call);
  const { vectors } = db;
  if (vectors.kind !== "ready") {
    throw new UnsupportedError(`the store neither keeps vectors nor searches by similarity: ${vectors.reason}`);
  }
}

/** What a transaction has found that was begun without vectors. */
class VectorsCame extends Error {}

/**
 * Runs a transaction that writes items. Where it finds that others keep vectors by now it is done again with them, so that no put
 * leaves the vectors of the value before.
 * @param work given the transaction, and whether vectors are kept
 */
export async function transactItems<T>(
  db: Database,
  call: Call,
  work: (tx: Transaction, keepsVectors: boolean) => Promise<T>,
): Promise<T> {
  for (;;) {
    const keepsVectors = db.vectors.kind === "ready";
    try {
      return await db.transact(call, (tx) => work(tx, keepsVectors));
    } catch (error) {
      if (!(error instanceof VectorsCame)) throw error;
      if (await lookForVectors(db, call)) continue;
      throw new StorageConnectionError("the tables for vectors are there, and the extension vector is not", {
        outcome: "not-applied",
        retryable: false,
      });
    }
  }
}

/**
 * A statement that locks rows, for a transaction without vectors: each row of the result, and one at least, says as of the lock whether
 * the tables for vectors are there.
 */
export function lockingWithoutVectors(db: Database, locking: Sql): Sql {
  return sql`WITH locked AS MATERIALIZED (${locking})
    SELECT locked.*, ${hasVectorTables(db)} AS "hasVectors" FROM (VALUES (1)) always LEFT JOIN locked ON true`;
}

/** @throws what `transactItems` waits for */
export function assertNoVectors(rows: readonly { readonly hasVectors: boolean }[]): void {
  if (rows.some(({ hasVectors }) => hasVectors)) throw new VectorsCame();
}

/** A condition that holds when the tables for vectors are there. */
function hasVectorTables(db: Database): Sql {
  return sql`to_regclass(${`${quotedName(db.options.schema)}.item_vectors`}) IS NOT NULL`;
}

export function vectorCheck({ vectors }: Database): HealthCheck {
  if (vectors.kind === "ready") return { name: "vectors", status: "ok", message: `pgvector ${vectors.version}` };
  return {
    name: "vectors",
    status: vectors.kind === "refused" ? "warning" : "ok",
    message: `no vectors: ${vectors.reason}`,
  };
}

function selectFound(db: Database): Sql {
  return sql`SELECT max(n.nspname) AS schema, max(e.extversion) AS version, ${hasVectorTables(db)} AS tables
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'`;
}

/** Runs scripts under the lock of the schema's migrations; `undefined` when it went well, or another process was faster. */
async function refusalOf(
  db: Database,
  call: Call,
  scripts: readonly string[],
  reasons: { readonly rights: string; readonly otherwise: string },
): Promise<string | undefined> {
  try {
    await db.transact(call, async (tx) => {
      await lockSchema(db, tx);
      const [found] = await tx.query<{ tables: boolean }>(sql`SELECT ${hasVectorTables(db)} AS tables`);
      if (found?.tables === true) return;
      for (const script of scripts) await tx.script(script);
    });
    return undefined;
  } catch (error) {
    if (!isAnswer(error)) throw error;
    return lacksRights(error) ? reasons.rights : reasons.otherwise;
  }
}
