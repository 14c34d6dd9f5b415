/** Which checkpoints of a thread pruning removes, and which ones a deletion by name (K6, K9). */

/** What the decision needs to know of a checkpoint. */
export interface PrunableCheckpoint {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId: string | null;
  readonly needsParent: boolean;
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Intermediate writes are stored for it. */
  readonly hasWrites: boolean;
}

/** `null` sets no condition; with both given a checkpoint goes only if both let it go. With neither nothing goes. */
export interface PruneRule {
  readonly keepLast: number | null;
  readonly maxAgeMs: number | null;
}

/** Checkpoints looked at between two steps of a plan. */
const LOOKED_AT_ONCE = 256;

/**
 * The checkpoints of one thread to remove, in the order given. It keeps of every namespace
 *
 * - the latest, which is the head;
 * - the newest `keepLast`, and those younger than `maxAgeMs`;
 * - open interrupts: those that have writes and that no other checkpoint names as its parent;
 * - what any of these needs, parent by parent.
 *
 * The time is linear in the number of checkpoints when they come ordered by `seq`.
 */
export function planPrune<T extends PrunableCheckpoint>(
  checkpoints: readonly T[],
  policy: PruneRule,
  now: number,
): T[] {
  const plan = planPruneInSteps(checkpoints, policy, now);
  let step = plan.next();
  while (!step.done) step = plan.next();
  return step.value;
}

/** As `planPrune`, in steps of a fraction of a millisecond: a long thread is planned for without holding the event loop. */
export function* planPruneInSteps<T extends PrunableCheckpoint>(
  checkpoints: readonly T[],
  policy: PruneRule,
  now: number,
): Generator<void, T[], void> {
  const namespaces = new Map<string, T[]>();
  for (const [i, each] of checkpoints.entries()) {
    const namespace = namespaces.get(each.namespace);
    if (namespace === undefined) namespaces.set(each.namespace, [each]);
    else namespace.push(each);
    if (i % LOOKED_AT_ONCE === 0) yield;
  }
  const kept = new Set<T>();
  for (const namespace of namespaces.values()) yield* keepOfNamespace(namespace, policy, now, kept);
  const removed: T[] = [];
  for (const [i, each] of checkpoints.entries()) {
    if (!kept.has(each)) removed.push(each);
    if (i % LOOKED_AT_ONCE === 0) yield;
  }
  return removed;
}

function* keepOfNamespace<T extends PrunableCheckpoint>(
  checkpoints: readonly T[],
  policy: PruneRule,
  now: number,
  kept: Set<T>,
): Generator<void, void, void> {
  const newestFirst = yield* orderedNewestFirst(checkpoints);
  const byId = new Map<string, T>();
  const continued = new Set<string>();
  for (const [i, each] of newestFirst.entries()) {
    byId.set(each.checkpointId, each);
    if (each.parentId !== null && each.parentId !== each.checkpointId) continued.add(each.parentId);
    if (i % LOOKED_AT_ONCE === 0) yield;
  }
  let looks = 0;
  for (const [age, each] of newestFirst.entries()) {
    const openInterrupt = each.hasWrites && !continued.has(each.checkpointId);
    const keeps = age === 0 || openInterrupt || !letsGo(policy, each, age, now);
    // It stops at what is kept already: all the walks together visit each checkpoint once, also in a circle of parents.
    for (let next = keeps ? each : undefined; next !== undefined && !kept.has(next); looks++) {
      kept.add(next);
      next = next.needsParent && next.parentId !== null ? byId.get(next.parentId) : undefined;
      if (looks % LOOKED_AT_ONCE === 0) yield;
    }
    if (age % LOOKED_AT_ONCE === 0) yield;
  }
}

/** Checkpoints that come ordered by `seq`, as stores keep them, are turned round; others are sorted, in one step. */
function* orderedNewestFirst<T extends PrunableCheckpoint>(checkpoints: readonly T[]): Generator<void, T[], void> {
  const turned: T[] = [];
  let isOrdered = true;
  for (let i = checkpoints.length - 1; i >= 0; i--) {
    const each = checkpoints[i] as T;
    isOrdered &&= each.seq < (turned.at(-1)?.seq ?? Number.POSITIVE_INFINITY);
    turned.push(each);
    if (i % LOOKED_AT_ONCE === 0) yield;
  }
  return isOrdered ? turned : turned.sort((a, b) => b.seq - a.seq);
}

function letsGo({ keepLast, maxAgeMs }: PruneRule, checkpoint: PrunableCheckpoint, age: number, now: number): boolean {
  if (keepLast === null && maxAgeMs === null) return false;
  const byCount = keepLast === null || age >= keepLast;
  const byAge = maxAgeMs === null || now - checkpoint.createdAt >= maxAgeMs;
  return byCount && byAge;
}

/** A checkpoint that needs the state of its parent, of the same namespace. */
export interface NeededParent {
  readonly checkpointId: string;
  readonly parentId: string;
}

/**
 * The named ids of a namespace that must stay: a checkpoint needs them that is not named, or one of them that stays itself.
 * `needs` are all checkpoints of the namespace that need their parent, in any order.
 */
export function neededOfNamed(named: ReadonlySet<string>, needs: Iterable<NeededParent>): Set<string> {
  const parents = new Map<string, string>();
  const kept = new Set<string>();
  for (const { checkpointId, parentId } of needs) {
    if (named.has(checkpointId)) parents.set(checkpointId, parentId);
    else if (named.has(parentId)) kept.add(parentId);
  }
  // A set gives what is added while it is walked: parents of parents come too.
  for (const checkpointId of kept) {
    const parentId = parents.get(checkpointId);
    if (parentId !== undefined && named.has(parentId)) kept.add(parentId);
  }
  return kept;
}

export interface PruneCounts {
  readonly threads: number;
  readonly removedCheckpoints: number;
  readonly removedWrites: number;
  readonly keptCheckpoints: number;
  readonly removedBytes: number;
}

export const NO_PRUNE_COUNTS: PruneCounts = {
  threads: 0,
  removedCheckpoints: 0,
  removedWrites: 0,
  keptCheckpoints: 0,
  removedBytes: 0,
};

export function sumOfPruneCounts(a: PruneCounts, b: PruneCounts): PruneCounts {
  return {
    threads: a.threads + b.threads,
    removedCheckpoints: a.removedCheckpoints + b.removedCheckpoints,
    removedWrites: a.removedWrites + b.removedWrites,
    keptCheckpoints: a.keptCheckpoints + b.keptCheckpoints,
    removedBytes: a.removedBytes + b.removedBytes,
  };
}
