/** Commands on threads, checkpoints, writes and leases. */
import type { LeaseSubject } from "../../../contract/call.js";
import type { PrunePolicy, StoreCheckpointOptions, WriteInput } from "../../../contract/checkpoint-storage.js";
import type { Command } from "./command.js";
import { call, EarlierLease, earlierEtag } from "./command.js";
import type { Draw, Weighted } from "./draw.js";
import * as pool from "./pools.js";

export function checkpointCommands(draw: Draw, tenant: string, timed: boolean): Weighted<Command> {
  const id = pool.threadId(draw);
  const namespace = draw.some({ namespace: [30, () => pool.checkpointNamespace(draw)] });
  const paths = (): { writes?: boolean } => draw.some({ writes: [50, () => true] });
  return [
    [
      18,
      () =>
        call(tenant, "storeCheckpoint", id, pool.checkpointId(draw), pool.value(draw), {
          ...namespace,
          ...storing(draw, id),
        }),
    ],
    [
      5,
      () =>
        call(tenant, "getCheckpoint", id, {
          ...namespace,
          ...draw.some({ checkpointId: [50, () => pool.checkpointId(draw)] }),
          ...paths(),
          ...draw.some({ ifNoneMatch: [40, () => earlierEtag(draw.below(3))] }),
        }),
    ],
    [
      4,
      () =>
        call(tenant, "listCheckpoints", id, {
          ...namespace,
          ...draw.some({
            limit: [40, () => draw.below(4)],
            before: [30, () => draw.below(6)],
            metadata: [draw.cast.metadataFilters ? 20 : 0, () => pool.metadataFilter(draw)],
            data: [50, () => true],
          }),
          ...paths(),
        }),
    ],
    [7, () => putWrites(draw, tenant, id, namespace)],
    [3, () => call(tenant, "getWrites", id, pool.checkpointId(draw), namespace)],
    [
      4,
      () =>
        call(
          tenant,
          "listThreads",
          draw.some({
            sessionId: [20, () => pool.sessionId(draw)],
            orderBy: [50, () => "createdAt" as const],
            direction: [50, () => "asc" as const],
            limit: [60, () => 1 + draw.below(3)],
          }),
        ),
    ],
    [4, () => call(tenant, "copyThread", id, pool.threadId(draw))],
    [4, () => call(tenant, "deleteThread", id)],
    [
      5,
      () =>
        call(
          tenant,
          "deleteCheckpoints",
          id,
          draw.list(0, 3, () => pool.checkpointId(draw)),
          {
            ...namespace,
            ...draw.some({ lease: [20, () => new EarlierLease({ thread: id }, draw.below(3))] }),
          },
        ),
    ],
    [3, () => call(tenant, "pruneCheckpoints", policy(draw, timed), draw.some({ dryRun: [30, () => true] }))],
  ];
}

export function leaseCommands(draw: Draw, tenant: string): Weighted<Command> {
  const subject = pool.subject(draw);
  const lease = (): EarlierLease => new EarlierLease(subject, draw.below(3));
  const ttlMs = (): number => draw.pick([60_000, 1, 1_000]);
  return [
    [7, () => call(tenant, "acquireLease", subject, { owner: pool.owner(draw), ttlMs: ttlMs() })],
    [2, () => call(tenant, "renewLease", lease(), draw.some({ ttlMs: [50, ttlMs] }))],
    [2, () => call(tenant, "releaseLease", lease())],
  ];
}

function storing(draw: Draw, threadId: string): StoreCheckpointOptions {
  const session = draw.some({ sessionId: [25, () => pool.sessionId(draw)] });
  const subject: LeaseSubject =
    session.sessionId !== undefined && draw.chance(50) ? { session: session.sessionId } : { thread: threadId };
  return {
    ...session,
    ...draw.some({
      parentId: [50, () => pool.checkpointId(draw)],
      metadata: [30, () => pool.metadata(draw)],
      needsParent: [40, () => true],
      expectedHead: [20, () => (draw.chance(50) ? pool.checkpointId(draw) : null)],
      lease: [20, () => new EarlierLease(subject, draw.below(3))],
    }),
  };
}

function putWrites(draw: Draw, tenant: string, threadId: string, namespace: { namespace?: string }): Command {
  const indexed = draw.chance(30);
  const writes = draw.list(1, 3, (): readonly [string, unknown] => [
    draw.pick(["x", "y", "__proto__"]),
    pool.value(draw),
  ]);
  const given = writes.map(([channel, value], i): WriteInput => (indexed ? [channel, value, i - 2] : [channel, value]));
  return call(tenant, "putWrites", threadId, pool.checkpointId(draw), pool.taskId(draw), given, {
    ...namespace,
    ...draw.some({
      taskPath: [40, () => pool.taskPath(draw)],
      overwrite: [30, () => true],
      lease: [20, () => new EarlierLease({ thread: threadId }, draw.below(3))],
    }),
  });
}

function policy(draw: Draw, timed: boolean): PrunePolicy {
  const drawn = draw.some({
    maxAgeMs: [timed ? 40 : 0, () => draw.pick([60_000, 0, 1, 1_800_000])],
    threadId: [30, () => pool.threadId(draw)],
  });
  return drawn.maxAgeMs === undefined || draw.chance(50) ? { keepLast: 1 + draw.below(3), ...drawn } : drawn;
}
