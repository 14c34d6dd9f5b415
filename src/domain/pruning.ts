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
  const kept = new Set<T>();
  for (const namespace of Map.groupBy(checkpoints, (each) => each.namespace).values()) {
    keepOfNamespace(namespace, policy, now, kept);
  }
  return checkpoints.filter((each) => !kept.has(each));
}

function keepOfNamespace<T extends PrunableCheckpoint>(
  checkpoints: T[],
  policy: PruneRule,
  now: number,
  kept: Set<T>,
): void {
  // Already sorted input, either way round, costs one pass.
  const newestFirst = checkpoints.sort((a, b) => b.seq - a.seq);
  const byId = new Map(newestFirst.map((each) => [each.checkpointId, each]));
  const continued = new Set(
    newestFirst.map((each) => (each.parentId === each.checkpointId ? null : each.parentId)).filter((id) => id !== null),
  );
  newestFirst.forEach((each, age) => {
    const openInterrupt = each.hasWrites && !continued.has(each.checkpointId);
    if (age === 0 || openInterrupt || !letsGo(policy, each, age, now)) keepWithParents(each, byId, kept);
  });
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

/** Stops at what is kept already, so that all the walks together visit each checkpoint once, also in a circle of parents. */
function keepWithParents<T extends PrunableCheckpoint>(start: T, byId: ReadonlyMap<string, T>, kept: Set<T>): void {
  let each: T | undefined = start;
  while (each !== undefined && !kept.has(each)) {
    kept.add(each);
    each = each.needsParent && each.parentId !== null ? byId.get(each.parentId) : undefined;
  }
}
