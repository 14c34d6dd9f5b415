/** Rows of task contexts and their versions. */
import type { StoredText } from "../../domain/codec/long-text.js";
import type { StoredContext } from "../../domain/driver/stored.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { isInPieces, readText, type TextInPieces, type TextOfRow, untilWhole } from "./long-text-rows.js";
import { Portion, SHORT_TEXT } from "./portion.js";

export type VersionRow = StoredContext & TextOfRow & { readonly context: string };

const INFO = "version, size_bytes AS sizeBytes, metadata, created_at AS createdAt";

/** A context without a version. */
export function insertContext(tx: Connection, tenant: number, contextId: string): number {
  return tx.insert("INSERT INTO contexts (tenant, context_id, newest_version) VALUES (?, ?, 0)", tenant, contextId);
}

export function findContext(db: Connection, tenant: number, contextId: string): number | undefined {
  return db.get<{ id: number }>("SELECT id FROM contexts WHERE tenant = ? AND context_id = ?", tenant, contextId)?.id;
}

/** The context's own id; `null` if it is not there. */
export function contextName(db: Connection, context: number): string | null {
  const row = db.get<{ contextId: string }>("SELECT context_id AS contextId FROM contexts WHERE id = ?", context);
  return row?.contextId ?? null;
}

/** Contexts of a tenant in the order of their ids. */
export function contextsById(
  db: Connection,
  tenant: number,
  after: string,
  limit: number,
): { readonly id: number; readonly contextId: string }[] {
  return db.all(
    "SELECT id, context_id AS contextId FROM contexts WHERE tenant = ? AND context_id > ? ORDER BY context_id LIMIT ?",
    tenant,
    after,
    limit,
  );
}

/** 0 for none yet. */
export function newestVersion(db: Connection, context: number): number {
  const row = db.get<{ version: number }>("SELECT newest_version AS version FROM contexts WHERE id = ?", context);
  return row?.version ?? 0;
}

/** Drops the versions up to one, a few at a time. */
export function* dropVersions(tx: Connection, context: number, upTo: number): Generator<void, void, void> {
  while (tx.run(DROP_SOME, context, upTo, DROPPED_AT_ONCE) === DROPPED_AT_ONCE) yield;
}

/** Versions dropped between two looks at the time: one may be long. Mostly each new one drops one. */
const DROPPED_AT_ONCE = 4;

const DROP_SOME = `DELETE FROM context_versions WHERE id IN
  (SELECT id FROM context_versions WHERE context = ? AND version <= ? ORDER BY version LIMIT ?)`;

/** Adds a version, the newest. `long` is its context where that is kept in pieces. */
export function putVersion(
  tx: Connection,
  context: number,
  stored: StoredContext & { readonly context: StoredText },
  long?: TextInPieces | undefined,
): void {
  tx.run(
    `INSERT INTO context_versions (context, version, size_bytes, created_at, checksum, metadata, content, long)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    context,
    stored.version,
    stored.sizeBytes,
    stored.createdAt,
    long?.checksum ?? checksum(stored.metadata, String(stored.context)),
    stored.metadata,
    long === undefined ? String(stored.context) : "",
    long?.long ?? null,
  );
  tx.run("UPDATE contexts SET newest_version = ? WHERE id = ?", stored.version, context);
}

/** The version, or the newest (`null`). @throws CorruptionError */
export function selectVersion(
  db: Connection,
  context: number,
  version: number | null,
): Generator<void, StoredContext | undefined, void> {
  return version === null
    ? selectWhole(db, "version <= ? ORDER BY version DESC LIMIT 1", context, Number.MAX_SAFE_INTEGER)
    : selectWhole(db, "version = ?", context, version);
}

/** The oldest version above one. @throws CorruptionError */
export function selectVersionAfter(
  db: Connection,
  context: number,
  version: number,
): Generator<void, StoredContext | undefined, void> {
  return selectWhole(db, "version > ? ORDER BY version LIMIT 1", context, version);
}

/** Newest first, without contents. */
export function* selectVersions(
  db: Connection,
  context: number,
  before: number | null,
  limit: number,
): Generator<void, StoredContext[], void> {
  const versions: StoredContext[] = [];
  const portion = new Portion(VERSIONS_AT_ONCE);
  for (let last = before ?? Number.MAX_SAFE_INTEGER; versions.length < limit; ) {
    const most = Math.min(VERSIONS_AT_ONCE, limit - versions.length);
    const rows = db.all<VersionInPage>(IN_PAGE, context, last, most);
    for (const row of rows) {
      last = row.version;
      const metadata = row.metadata ?? db.get<{ metadata: string }>(METADATA, context, row.version)?.metadata;
      if (metadata === undefined) continue;
      versions.push({ ...row, metadata, context: null });
      if (portion.isFull(metadata.length)) yield;
    }
    if (rows.length < most) break;
  }
  return versions;
}

/** A version of a page: metadata that is not short is read by itself. */
type VersionInPage = Omit<StoredContext, "context" | "metadata"> & { readonly metadata: string | null };

/** Versions listed in one step, where their metadata is short. */
const VERSIONS_AT_ONCE = 200;

const IN_PAGE = `SELECT version, size_bytes AS sizeBytes, created_at AS createdAt,
    CASE WHEN octet_length(metadata) <= ${SHORT_TEXT} THEN metadata END AS metadata
  FROM context_versions WHERE context = ? AND version < ? ORDER BY version DESC LIMIT ?`;

const METADATA = "SELECT metadata FROM context_versions WHERE context = ? AND version = ?";

type Which = "version = ?" | "version > ? ORDER BY version LIMIT 1" | "version <= ? ORDER BY version DESC LIMIT 1";

function* selectWhole(
  db: Connection,
  which: Which,
  context: number,
  version: number,
): Generator<void, StoredContext | undefined, void> {
  const find = (): VersionRow | undefined => findVersion(db, which, context, version);
  const row = find();
  if (row === undefined) return undefined;
  return yield* untilWhole(row, find, function* ({ checksum: sum, long, ...stored }) {
    const name = (): string => `task context version ${stored.version}`;
    const text = { checksum: sum, long };
    if (isInPieces(text, stored.context)) {
      return { ...stored, context: yield* readText(db, text, name, stored.metadata) };
    }
    assertIntact(sum, name, stored.metadata, stored.context);
    return stored;
  });
}

/** With what tells where its text is. */
export function findVersion(db: Connection, which: Which, context: number, version: number): VersionRow | undefined {
  return db.get<VersionRow>(
    `SELECT ${INFO}, checksum, content AS context, long FROM context_versions WHERE context = ? AND ${which}`,
    context,
    version,
  );
}
