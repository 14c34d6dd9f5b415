/**
 * Rows of sessions: a hash with short names, in which what is not there is 0 or nothing. Each top-level key of the metadata is a
 * field of its own, so that the server merges them.
 */
import type { JsonValue } from "../../contract/json.js";
import type { SessionStatus } from "../../contract/session-storage.js";
import type { StoredSession } from "../../domain/driver/stored.js";

/** Before the name of a key of the metadata. */
const METADATA = "m:";

/** Fields of metadata, each with its JSON. */
export function metadataFields(metadata: { readonly [key: string]: unknown }): string[] {
  return Object.entries(metadata).flatMap(([key, value]) => [METADATA + key, JSON.stringify(value)]);
}

export function metadataField(key: string): string {
  return METADATA + key;
}

/** The fields of a row but for its times. */
export function sessionFields(session: StoredSession): string[] {
  const fields = ["u", session.userId, "s", session.status, "v", String(session.version)];
  const add = (name: string, value: number): void => {
    if (value !== 0) fields.push(name, String(value));
  };
  add("q", session.requestCount);
  add("p", session.totalProcessingTime);
  add("e", session.errorCount);
  add("n", session.messageCount);
  add("l", session.lastSeq);
  if (session.ttlMs !== null) fields.push("t", String(session.ttlMs));
  const metadata = JSON.parse(session.metadata) as { readonly [key: string]: JsonValue };
  return [...fields, ...metadataFields(metadata)];
}

/** A row with the context that it names. */
export interface SessionRow {
  readonly session: StoredSession;
  readonly contextId: string | null;
}

/** @param fields names and values one behind the other, as HGETALL gives them */
export function parseSession(sessionId: string, fields: readonly string[]): SessionRow {
  const row: { [name: string]: string } = {};
  let metadata = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (!name.startsWith(METADATA)) row[name] = value;
    else metadata += `${metadata === "" ? "" : ","}${JSON.stringify(name.slice(METADATA.length))}:${value}`;
  }
  const number = (text: string | undefined): number => (text === undefined ? 0 : Number(text));
  const session = {
    sessionId,
    userId: row.u ?? "",
    status: row.s as SessionStatus,
    metadata: `{${metadata}}`,
    createdAt: number(row.c),
    updatedAt: number(row.a),
    version: number(row.v),
    requestCount: number(row.q),
    totalProcessingTime: number(row.p),
    errorCount: number(row.e),
    messageCount: number(row.n),
    lastSeq: number(row.l),
    ttlMs: row.t === undefined ? null : Number(row.t),
  };
  return { session, contextId: row.x ?? null };
}

export function toStoredSession(sessionId: string, fields: readonly string[]): StoredSession {
  return parseSession(sessionId, fields).session;
}

/** A hash as `ioredis` gives it, in the form in which scripts give one. */
export function flatFields(reply: unknown): readonly string[] {
  if (Array.isArray(reply)) return reply as string[];
  const fields: string[] = [];
  for (const [name, value] of Object.entries(reply as { readonly [name: string]: string })) fields.push(name, value);
  return fields;
}
