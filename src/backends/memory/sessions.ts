/** Sessions of the memory backend (S1-S10). */
import type { Call } from "../../domain/driver/call.js";
import type { NewStoredSession, SessionDriver, SessionListing } from "../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { isListed } from "../../domain/session-listing.js";
import {
  applySessionChange,
  assertSamePayload,
  endStored,
  IDEMPOTENCY_RETENTION_MS,
  isExpired,
  newSession,
} from "../../domain/sessions.js";
import { EACH_STEP, inSlices, runAtOnce, Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { checkFence } from "./leases.js";
import { FirstRows } from "./pages.js";
import {
  hasManyThreads,
  insertSession,
  removingExpiredSession,
  removingSession,
  setSession,
} from "./session-entries.js";
import type { MemoryStore, RememberedUpdate, SessionEntry, Tenant } from "./state.js";
import { enter, existingSession, liveSession } from "./state.js";

/** Sessions from which on creating them may pause. */
const MANY_SESSIONS = 200;

export function sessionVerbs(store: MemoryStore): SessionDriver {
  return {
    async createSession(call, session) {
      const { tenant, now } = enter(store, call);
      const existing = liveSession(tenant, session.sessionId, now);
      if (existing !== undefined) return { created: false, session: existing.row };
      return { created: true, session: await create(call, tenant, session, now) };
    },

    async createSessions(call, sessions) {
      const { tenant, now } = enter(store, call);
      const existing = sessions.find(({ sessionId }) => liveSession(tenant, sessionId, now) !== undefined);
      if (existing !== undefined) return { exists: existing.sessionId };
      const creating = createAll(tenant, sessions, now);
      const takesLong =
        sessions.length > MANY_SESSIONS ||
        sessions.some(({ sessionId }) => hasManyThreads(tenant.sessions.get(sessionId)));
      return {
        sessions: takesLong ? await alone(tenant, () => new Slices(call).finish(creating)) : runAtOnce(creating),
      };
    },

    async getSessions(call, sessionIds) {
      const { tenant, now } = enter(store, call);
      return sessionIds.map((sessionId) => liveSession(tenant, sessionId, now)?.row);
    },

    async updateSession(call, sessionId, change, fence) {
      const { tenant, now } = enter(store, call);
      const session = existingSession(tenant, sessionId, now);
      checkFence(tenant, fence, now);
      const earlier = change.idempotency === null ? undefined : remembered(session, change.idempotency.key, now);
      if (earlier !== undefined && change.idempotency !== null) {
        assertSamePayload(earlier.digest, change.idempotency.digest);
        return earlier.result;
      }
      const row = applySessionChange(session.row, change, now);
      setSession(tenant, session, row);
      if (change.idempotency !== null) {
        const { key, digest } = change.idempotency;
        session.idempotency ??= new Map();
        session.idempotency.set(key, { digest, result: row, at: now });
      }
      return row;
    },

    async endSession(call, sessionId, status, fence) {
      const { tenant, now } = enter(store, call);
      const session = existingSession(tenant, sessionId, now);
      checkFence(tenant, fence, now);
      const row = endStored(session.row, status, now);
      if (row !== session.row) setSession(tenant, session, row);
      return row;
    },

    async listSessions(call, listing) {
      const { tenant, now } = enter(store, call);
      const page = new FirstRows<StoredSession>(listing.limit);
      await inSlices(
        call,
        scanSessions(tenant, listing),
        (row) => !isPastTheEnd(row, listing) && (isExpired(row, now) || !isListed(row, listing) || page.add(row)),
        // A filter reads metadata of up to a megabyte.
        new Slices(call, listing.metadata.length > 0 ? EACH_STEP : undefined),
      );
      return page.page();
    },

    async deleteSession(call, sessionId) {
      const { tenant, now } = enter(store, call);
      const wasThere = liveSession(tenant, sessionId, now) !== undefined;
      const session = tenant.sessions.get(sessionId);
      // There may be a lease for a session that is yet to come.
      tenant.leases.session.delete(sessionId);
      if (session !== undefined) await remove(tenant, session, new Slices(call));
      return wasThere;
    },

    async cleanupSessions(call, cleanup) {
      const { tenant, now } = enter(store, call);
      const isDue = (row: StoredSession): boolean => row.updatedAt <= cleanup.idleBefore || isExpired(row, now);
      // Of all batches: each for itself would be done before it is time for others.
      const slices = new Slices(call);
      let count = 0;
      let position: StoredSession | null = null;
      let more = true;
      while (more) {
        const batch: FirstRows<StoredSession> = new FirstRows(cleanup.batchSize);
        const take = (row: StoredSession): boolean => !isDue(row) || batch.add(row);
        await inSlices(call, tenant.sessionsByUpdated.scan("asc", position), take, slices);
        const { rows } = batch.page();
        count += cleanup.dryRun ? rows.length : await removeDue(call, tenant, rows, isDue);
        position = rows.at(-1) ?? null;
        more = batch.page().more;
      }
      return count;
    },
  };
}

function* createAll(
  tenant: Tenant,
  sessions: readonly NewStoredSession[],
  now: number,
): Generator<void, StoredSession[], void> {
  const created: StoredSession[] = [];
  for (const session of sessions) {
    created.push(yield* creating(tenant, session, now));
    yield;
  }
  return created;
}

/** At once, unless what has expired under the id takes long to remove. */
function create(
  call: Call,
  tenant: Tenant,
  session: NewStoredSession,
  now: number,
): StoredSession | Promise<StoredSession> {
  const work = creating(tenant, session, now);
  return hasManyThreads(tenant.sessions.get(session.sessionId))
    ? alone(tenant, () => new Slices(call).finish(work))
    : runAtOnce(work);
}

function* creating(tenant: Tenant, session: NewStoredSession, now: number): Generator<void, StoredSession, void> {
  yield* removingExpiredSession(tenant, session.sessionId, now);
  return insertSession(tenant, newSession(session, now)).row;
}

/** What an idempotency key did before, if that is not too long ago; keys that are too old are forgotten on the way (S5). */
function remembered(session: SessionEntry, key: string, now: number): RememberedUpdate | undefined {
  for (const [oldest, { at }] of session.idempotency ?? []) {
    if (now < at + IDEMPOTENCY_RETENTION_MS) break;
    session.idempotency?.delete(oldest);
  }
  const update = session.idempotency?.get(key);
  return update !== undefined && now < update.at + IDEMPOTENCY_RETENTION_MS ? update : undefined;
}

/**
 * Sessions in the order of the listing, from where the page begins. By `updatedAt` they are those of one moment; by `createdAt`
 * a scan that pauses gives each as it is when its turn comes.
 */
function scanSessions(tenant: Tenant, listing: SessionListing): Iterable<StoredSession> {
  const { userId, orderBy, direction, after } = listing;
  const [from, to] = timeRange(listing);
  const first = direction === "asc" ? (from ?? Number.NEGATIVE_INFINITY) : (to ?? Number.POSITIVE_INFINITY);
  // No id is empty: this stands before all sessions of its time.
  const { time, id } = after ?? { time: first, id: "" };
  const beyond = { userId: userId ?? "", createdAt: time, updatedAt: time, sessionId: id };
  if (orderBy === "updatedAt") {
    return (userId === null ? tenant.sessionsByUpdated : tenant.sessionsByUserAndUpdated).scan(direction, beyond);
  }
  const index = userId === null ? tenant.sessionsByCreated : tenant.sessionsByUserAndCreated;
  return rowsOf(tenant, index.scan(direction, beyond));
}

function* rowsOf(tenant: Tenant, sessions: Iterable<SessionEntry>): Generator<StoredSession> {
  for (const session of sessions) if (tenant.sessions.get(session.sessionId) === session) yield session.row;
}

/** Whether neither this session nor a later one of the scan can be of the page. */
function isPastTheEnd(row: StoredSession, listing: SessionListing): boolean {
  if (listing.userId !== null && row.userId !== listing.userId) return true;
  const [from, to] = timeRange(listing);
  const time = row[listing.orderBy];
  return listing.direction === "asc" ? to !== null && time >= to : from !== null && time < from;
}

/** The range of the time that orders the listing. */
function timeRange(listing: SessionListing): [from: number | null, to: number | null] {
  return listing.orderBy === "createdAt"
    ? [listing.createdFrom, listing.createdTo]
    : [listing.updatedFrom, listing.updatedTo];
}

/** Removes a batch of sessions, but for those that were written to since they were found; returns how many went. */
async function removeDue(
  call: Call,
  tenant: Tenant,
  rows: readonly StoredSession[],
  isDue: (row: StoredSession) => boolean,
): Promise<number> {
  const slices = new Slices(call);
  let removed = 0;
  for (const { sessionId } of rows) {
    // Whoever has the tenant for himself comes before.
    while (tenant.taken !== null) await tenant.taken;
    const session = tenant.sessions.get(sessionId);
    if (session !== undefined && isDue(session.row)) {
      await remove(tenant, session, slices);
      removed += 1;
    }
    if (slices.over()) await slices.next();
  }
  await slices.next();
  return removed;
}

/** Removes a session; one with many threads has its tenant for itself meanwhile. */
async function remove(tenant: Tenant, session: SessionEntry, slices: Slices): Promise<void> {
  const removing = removingSession(tenant, session);
  if (hasManyThreads(session)) await alone(tenant, () => slices.finish(removing));
  else runAtOnce(removing);
}
