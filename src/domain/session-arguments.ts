/** Sessions: what callers may ask, and what comes back (S1-S9). */
import { createHash } from "node:crypto";
import type { TimeRange } from "../contract/call.js";
import { InvalidArgumentError } from "../contract/errors.js";
import type {
  CleanupOptions,
  NewSession,
  Session,
  SessionEndStatus,
  SessionQuery,
  SessionStatus,
  SessionUpdate,
} from "../contract/session-storage.js";
import { boolean, date, finiteNumber, integer, knownFields, oneOf, pageLimit, ttl } from "./arguments.js";
import type { NewStoredSession, SessionChange, SessionListing } from "./driver/storage-driver.js";
import type { StoredSession } from "./driver/stored.js";
import { identifier } from "./identifiers.js";
import { Intake } from "./intake.js";
import { listOf, MAX_IDENTIFIERS, MAX_SESSIONS } from "./lists.js";
import { decodeMetadata, encodeMetadata } from "./metadata.js";
import { parseMetadataFilter } from "./metadata-filter.js";

export const SESSION_STATUSES: readonly SessionStatus[] = ["active", "completed", "failed", "expired"];

const END_STATUSES: readonly SessionEndStatus[] = ["completed", "failed", "expired"];

/** Most requests, and most seconds, of one update: their sums stay numbers that every store can hold (S2, S3). */
export const MAX_COUNTED_AT_ONCE = 1_000_000_000;

const UPDATE_FIELDS = [
  "metadata",
  "unsetMetadata",
  "status",
  "incrementRequests",
  "addProcessingTime",
  "markError",
  "expectedVersion",
  "idempotencyKey",
] as const;

/** A stored session as callers see it. */
export function toSession(stored: StoredSession): Session {
  const session = {
    sessionId: stored.sessionId,
    userId: stored.userId,
    status: stored.status,
    metadata: decodeMetadata(stored.metadata),
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
    version: stored.version,
    requestCount: stored.requestCount,
    totalProcessingTime: stored.totalProcessingTime,
    errorCount: stored.errorCount,
    messageCount: stored.messageCount,
    lastSeq: stored.lastSeq,
  };
  if (stored.ttlMs === null) return session;
  return { ...session, ttlMs: stored.ttlMs, expiresAt: new Date(stored.updatedAt + stored.ttlMs) };
}

export function parseNewSession(session: NewSession, name: string, intake: Intake = new Intake()): NewStoredSession {
  const prefix = name === "" ? "" : `${name}.`;
  return {
    sessionId: identifier(session.sessionId, `${prefix}sessionId`),
    userId: identifier(session.userId, `${prefix}userId`),
    metadata: session.metadata === undefined ? "{}" : encodeMetadata(session.metadata, `${prefix}metadata`, intake),
    ttlMs: session.ttlMs === undefined ? null : ttl(session.ttlMs, `${prefix}ttlMs`),
  };
}

/** Sessions of a batch: an id that stands twice is refused (S1). */
export function parseNewSessions(sessions: unknown): NewStoredSession[] {
  const seen = new Set<string>();
  const intake = new Intake();
  return listOf(sessions, "sessions", MAX_SESSIONS).map((session, index) => {
    const name = `sessions[${index}]`;
    const parsed = parseNewSession(
      knownFields(session as NewSession, name, ["sessionId", "userId", "metadata", "ttlMs"]),
      name,
      intake,
    );
    if (seen.has(parsed.sessionId)) throw new InvalidArgumentError(`${name}.sessionId stands twice in the batch`);
    seen.add(parsed.sessionId);
    return parsed;
  });
}

/** A validated update; one that changes nothing is legal and still counts as a version (S4). */
export function parseUpdate(value: unknown): SessionChange {
  const update = knownFields(value as SessionUpdate, "update", UPDATE_FIELDS);
  const change = {
    mergeMetadata:
      update.metadata === undefined ? null : decodeMetadata(encodeMetadata(update.metadata, "update.metadata")),
    unsetMetadata:
      update.unsetMetadata === undefined
        ? []
        : listOf(update.unsetMetadata, "update.unsetMetadata", MAX_IDENTIFIERS).map(metadataKey),
    status: update.status === undefined ? null : oneOf(update.status, "update.status", SESSION_STATUSES),
    addRequests: requests(update.incrementRequests),
    addProcessingTime:
      update.addProcessingTime === undefined
        ? 0
        : finiteNumber(update.addProcessingTime, "update.addProcessingTime", { min: 0, max: MAX_COUNTED_AT_ONCE }),
    addErrors: update.markError !== undefined && boolean(update.markError, "update.markError") ? 1 : 0,
    expectedVersion:
      update.expectedVersion === undefined
        ? null
        : integer(update.expectedVersion, "update.expectedVersion", { min: 1 }),
  };
  if (update.idempotencyKey === undefined) return { ...change, idempotency: null };
  const key = identifier(update.idempotencyKey, "update.idempotencyKey");
  return { ...change, idempotency: { key, digest: createHash("sha256").update(JSON.stringify(change)).digest("hex") } };
}

export function parseEndStatus(value: unknown): SessionEndStatus {
  return value === undefined ? "completed" : oneOf(value, "status", END_STATUSES);
}

/** A listing without its position. */
export function parseListing(query: Partial<SessionQuery>): Omit<SessionListing, "after"> {
  const created = timeRange(query.created, "created");
  const updated = timeRange(query.updated, "updated");
  return {
    userId: query.userId === undefined ? null : identifier(query.userId, "userId"),
    statuses: query.status === undefined ? null : statuses(query.status),
    metadata: query.metadata === undefined ? [] : parseMetadataFilter(query.metadata, "metadata"),
    createdFrom: created.from,
    createdTo: created.to,
    updatedFrom: updated.from,
    updatedTo: updated.to,
    orderBy: query.orderBy === undefined ? "createdAt" : oneOf(query.orderBy, "orderBy", ["createdAt", "updatedAt"]),
    direction: query.direction === undefined ? "desc" : oneOf(query.direction, "direction", ["asc", "desc"]),
    limit: pageLimit(query.limit, 50),
  };
}

/** What a cleanup removes: `idleBefore` is the latest `updatedAt` that is idle for long enough. */
export function parseCleanup(
  options: Partial<CleanupOptions>,
  now: number,
): { readonly idleBefore: number; readonly batchSize: number; readonly dryRun: boolean } {
  const hours =
    options.maxIdleHours === undefined ? 24 : finiteNumber(options.maxIdleHours, "maxIdleHours", { min: 0 });
  return {
    idleBefore: Math.floor(now - hours * 3_600_000),
    batchSize: options.batchSize === undefined ? 100 : integer(options.batchSize, "batchSize", { min: 1, max: 10_000 }),
    dryRun: options.dryRun === undefined ? false : boolean(options.dryRun, "dryRun"),
  };
}

function metadataKey(value: unknown, index: number): string {
  if (typeof value === "string") return value;
  throw new InvalidArgumentError(`update.unsetMetadata[${index}] must be a string`);
}

function requests(value: unknown): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return 1;
  return integer(value, "update.incrementRequests", { min: 1, max: MAX_COUNTED_AT_ONCE });
}

function statuses(value: unknown): readonly SessionStatus[] {
  const list = Array.isArray(value) ? listOf(value, "status", MAX_IDENTIFIERS) : [value];
  return [...new Set(list.map((status) => oneOf(status, "status", SESSION_STATUSES)))];
}

function timeRange(value: unknown, name: string): { readonly from: number | null; readonly to: number | null } {
  if (value === undefined) return { from: null, to: null };
  const range = knownFields(value as TimeRange, name, ["from", "to"]);
  return {
    from: range.from === undefined ? null : date(range.from, `${name}.from`),
    to: range.to === undefined ? null : date(range.to, `${name}.to`),
  };
}
