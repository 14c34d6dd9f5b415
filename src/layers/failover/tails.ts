/** Sessions and threads that have only grown, and what of them the fallback misses. */

import type { StorageRecord } from "../../contract/records.js";
import type { Session } from "../../contract/session-storage.js";
import { checkpointName } from "./additions.js";
import { CopyFailure, type CopyWatch } from "./copy-watch.js";
import type { Growth, SessionReach, ThreadTail } from "./growth.js";
import type { Portion } from "./importer.js";
import type { Mark } from "./marks.js";
import { type CopyRoute, exported, threadRecord } from "./pieces.js";
import { otherSide } from "./side.js";

/** A session that expires so soon may be gone at the target when its tail comes, and the tail would be all that is there. */
const EXPIRY_MS = 60_000;

/** What goes over in one import: the tail of a session with those of its threads, or the tail of a thread. */
export interface Grown {
  readonly marks: Mark[];
  readonly session?: { readonly id: string; readonly reach: SessionReach };
  readonly threads: Map<string, ThreadTail>;
}

/** Tells what has only grown from what has to be copied whole. */
export function sorted(marks: readonly Mark[], growth: Growth): { grown: Grown[]; whole: Mark[] } {
  if (marks.some(({ unit }) => unit.kind === "tenant")) return { grown: [], whole: [...marks] };
  const sessions = new Map<string, Grown>();
  const alone: Grown[] = [];
  const whole: Mark[] = [];
  const ofSession = (tenant: string, id: string): Grown | undefined => {
    const known = sessions.get(id);
    if (known !== undefined) return known;
    const reach = growth.session(tenant, id);
    if (reach === undefined) return undefined;
    const grown: Grown = { marks: [], session: { id, reach }, threads: new Map() };
    sessions.set(id, grown);
    return grown;
  };
  for (const mark of marks) {
    const { tenant, unit } = mark;
    const tail = unit.kind === "thread" ? growth.thread(tenant, unit.id) : undefined;
    if (unit.kind === "thread" && tail !== undefined && tail.reach.link === undefined) {
      alone.push({ marks: [mark], threads: new Map([[unit.id, tail]]) });
      continue;
    }
    const sessionId = unit.kind === "session" ? unit.id : tail?.reach.link;
    const grown = sessionId === undefined ? undefined : ofSession(tenant, sessionId);
    if (grown === undefined) {
      whole.push(mark);
      continue;
    }
    grown.marks.push(mark);
    if (unit.kind === "thread" && tail !== undefined) grown.threads.set(unit.id, tail);
  }
  return { grown: [...sessions.values(), ...alone], whole };
}

/** `undefined` if the target has not what was copied before, or there is more to it than tails. */
export async function readTails(grown: Grown, route: CopyRoute, watch: CopyWatch): Promise<Portion | undefined> {
  const { session, threads } = grown;
  const held =
    session === undefined
      ? undefined
      : await route.hold(session.id).catch((error: unknown) => {
          throw new CopyFailure(route.from, error);
        });
  try {
    const reads = await Promise.allSettled([
      ...(session === undefined ? [] : [sessionTail(session.id, session.reach, route, watch)]),
      ...[...threads].map(([id, tail]) => threadTail(id, tail, route, watch)),
    ]);
    const records: StorageRecord[] = [];
    for (const read of reads) {
      if (read.status === "rejected") throw read.reason;
      if (read.value === undefined) return undefined;
      for (const record of read.value) records.push(record);
    }
    const copied = (): void => {
      held?.copied();
      route.learn?.(records, true);
    };
    return { records, copied };
  } finally {
    held?.release();
  }
}

async function sessionTail(
  sessionId: string,
  reach: SessionReach,
  { from, source, target }: CopyRoute,
  watch: CopyWatch,
): Promise<StorageRecord[] | undefined> {
  const to = otherSide(from);
  const [there, records] = await settled(
    watch.at(to, () => target.getSession(sessionId, watch.options)),
    exported(source, from, { sessionId, after: reach.seq }, watch),
  );
  return isHeld(there, reach) && records[0]?.kind === "session" ? records : undefined;
}

function isHeld(there: Session | undefined, { lastSeq, messageCount }: SessionReach): boolean {
  if (there === undefined || there.lastSeq !== lastSeq || there.messageCount !== messageCount) return false;
  return there.expiresAt === undefined || there.expiresAt.getTime() - Date.now() > EXPIRY_MS;
}

async function threadTail(
  threadId: string,
  { reach, writesAfter, awaited }: ThreadTail,
  { from, source, target }: CopyRoute,
  watch: CopyWatch,
): Promise<StorageRecord[] | undefined> {
  const read = async (): Promise<StorageRecord[]> => {
    const after = reach.seq;
    if (writesAfter === after) return exported(source, from, { threadId, after }, watch);
    const later = await exported(source, from, { threadId, after, kinds: ["thread", "checkpoint"] }, watch);
    const writes = await exported(source, from, { threadId, after: writesAfter, kinds: ["write"] }, watch);
    return [...later, ...writes];
  };
  const [there, records] = await settled(threadRecord(target, otherSide(from), threadId, watch), read());
  const isThere = there !== undefined && there.last_seq === reach.lastSeq && there.session_id === reach.link;
  if (!isThere || records[0]?.kind !== "thread") return undefined;
  const names = new Set<string>();
  for (const record of records) {
    if (record.kind === "checkpoint") names.add(checkpointName(record.namespace, record.checkpoint_id));
  }
  return awaited.every((name) => names.has(name)) ? records : undefined;
}

/** Both, and a failure only when neither goes on. */
async function settled<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}
