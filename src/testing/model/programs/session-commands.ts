/** Commands on sessions, conversations and task contexts. */
import type { TimeRange } from "../../../contract/call.js";
import type { NewMessage } from "../../../contract/conversation-storage.js";
import type { SessionQuery, SessionStatus, SessionUpdate } from "../../../contract/session-storage.js";
import { MANUAL_CLOCK_START } from "../../manual-clock.js";
import type { Command } from "./command.js";
import { call, EarlierLease } from "./command.js";
import type { Draw, Weighted } from "./draw.js";
import * as pool from "./pools.js";

const STATUSES = ["active", "completed", "failed", "expired"] as const;
const KEYS = ["i1", "i2"] as const;

export function sessionCommands(draw: Draw, tenant: string, timed: boolean): Weighted<Command> {
  const ttlMs = (): { ttlMs?: number } =>
    draw.some({ ttlMs: [timed ? draw.cast.mortality : 0, () => pool.ttlMs(draw)] });
  const id = pool.sessionId(draw);
  const held = draw.some({ lease: [20, () => new EarlierLease({ session: id }, draw.below(3))] });
  return [
    [
      22,
      () =>
        call(tenant, "createSession", id, pool.userId(draw), {
          ...draw.some({ metadata: [60, () => pool.metadata(draw)], ifExists: [30, () => "return" as const] }),
          ...ttlMs(),
        }),
    ],
    [2, () => call(tenant, "getSession", id)],
    [11, () => call(tenant, "updateSession", id, update(draw), held)],
    [3, () => call(tenant, "endSession", id, draw.pick(["completed", "failed", "expired"]), held)],
    [5, () => call(tenant, "listSessions", sessionQuery(draw, timed))],
    [5, () => call(tenant, "deleteSession", id)],
    [
      2,
      () => {
        const ids = [...new Set(draw.list(0, 3, () => pool.sessionId(draw)))];
        const metadata = pool.metadata(draw);
        return call(
          tenant,
          "batchCreateSessions",
          ids.map((sessionId) => ({ sessionId, userId: pool.userId(draw), metadata, ...ttlMs() })),
        );
      },
    ],
    [
      1,
      () =>
        call(
          tenant,
          "batchGetSessions",
          draw.list(0, 4, () => pool.sessionId(draw)),
        ),
    ],
    [
      timed ? 3 : 0,
      () =>
        call(tenant, "cleanupExpiredSessions", {
          ...draw.some({ dryRun: [30, () => true] }),
          maxIdleHours: draw.pick([24, 0.5, 1, 0]),
          batchSize: 1 + draw.below(3),
        }),
    ],
  ];
}

export function conversationCommands(draw: Draw, tenant: string): Weighted<Command> {
  const id = pool.sessionId(draw);
  const held = draw.some({ lease: [20, () => new EarlierLease({ session: id }, draw.below(3))] });
  const bound = (): number => draw.below(8);
  return [
    [
      9,
      () => {
        const { role, content, ...options } = message(draw);
        const times = draw.chance(8) ? 55 : 1;
        return { ...call(tenant, "addConversationMessage", id, role, content, { ...options, ...held }), times };
      },
    ],
    [
      4,
      () =>
        call(
          tenant,
          "addConversationMessages",
          id,
          draw.list(0, 4, () => message(draw)),
          held,
        ),
    ],
    [
      9,
      () =>
        call(
          tenant,
          "getConversationHistory",
          id,
          draw.some({
            limit: [50, () => draw.below(5)],
            before: [15, bound],
            after: [25, bound],
            roles: [25, () => draw.list(1, 2, () => pool.role(draw))],
          }),
        ),
    ],
    [
      3,
      () => {
        const range = draw.chance(30)
          ? "all"
          : draw.chance(50)
            ? { before: bound() }
            : { after: bound(), before: bound() };
        return call(tenant, "deleteConversationMessages", id, range, held);
      },
    ],
  ];
}

export function taskContextCommands(draw: Draw, tenant: string): Weighted<Command> {
  const id = pool.sessionId(draw);
  const version = (): number => 1 + draw.below(4);
  return [
    [
      6,
      () => {
        const options = draw.some({
          expectedVersion: [25, () => draw.below(4)],
          metadata: [30, () => pool.metadata(draw)],
          lease: [15, () => new EarlierLease({ session: id }, draw.below(3))],
        });
        return { ...call(tenant, "storeTaskContext", id, pool.value(draw), options), times: draw.chance(8) ? 22 : 1 };
      },
    ],
    [3, () => call(tenant, "getTaskContext", id, draw.some({ version: [30, version] }))],
    [
      2,
      () =>
        call(
          tenant,
          "listTaskContextVersions",
          id,
          draw.some({ limit: [40, () => draw.below(4)], before: [25, version] }),
        ),
    ],
    [draw.cast.sharedContexts ? 4 : 0, () => call(tenant, "shareTaskContext", id, other(draw, id))],
  ];
}

function update(draw: Draw): SessionUpdate {
  return draw.some<SessionUpdate>({
    metadata: [40, () => pool.metadata(draw)],
    unsetMetadata: [20, () => draw.list(0, 2, () => pool.metadataKey(draw))],
    status: [20, () => draw.pick(STATUSES)],
    incrementRequests: [40, () => draw.pick([true, 2, false])],
    addProcessingTime: [30, () => draw.pick([0.5, 1, 0.1, 0])],
    markError: [20, () => draw.pick([true, false])],
    expectedVersion: [25, () => 1 + draw.below(4)],
    idempotencyKey: [30, () => draw.pick(KEYS)],
  });
}

function sessionQuery(draw: Draw, timed: boolean): SessionQuery {
  const status = (): SessionStatus => draw.pick(STATUSES);
  return draw.some<Omit<SessionQuery, "cursor" | "signal" | "timeoutMs">>({
    userId: [12, () => pool.userId(draw)],
    status: [15, () => (draw.chance(50) ? draw.list(0, 2, status) : status())],
    metadata: [draw.cast.metadataFilters ? 25 : 0, () => pool.metadataFilter(draw)],
    created: [timed ? 8 : 0, () => timeRange(draw)],
    updated: [timed ? 8 : 0, () => timeRange(draw)],
    orderBy: [50, () => "updatedAt"],
    direction: [50, () => "asc"],
    limit: [70, () => 1 + draw.below(3)],
  });
}

function timeRange(draw: Draw): TimeRange {
  const instant = (): Date => new Date(MANUAL_CLOCK_START + draw.pick([0, 1, 1_000, 60_000, 3_600_000, -1_000]));
  return draw.some({ from: [60, instant], to: [60, instant] });
}

function message(draw: Draw): NewMessage {
  return {
    role: pool.role(draw),
    content: pool.content(draw),
    ...draw.some({
      metadata: [25, () => pool.metadata(draw)],
      messageId: [35, () => pool.messageId(draw)],
      timestamp: [15, () => new Date(Date.UTC(1999, 11, 31, 23, 59, 59, 999))],
    }),
  };
}

/** A session cannot share with itself. */
function other(draw: Draw, id: string): string {
  const [first = "absent", ...others] = draw.cast.sessions.filter((each) => each !== id);
  return draw.pick([first, ...others]);
}
