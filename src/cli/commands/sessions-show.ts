/** `waystone sessions show`: one session. */

import type { Session } from "../../contract/session-storage.js";
import type { Invocation } from "../invocation.js";
import { jsonField } from "../output/json.js";
import { type Field, printThing } from "../output/thing.js";
import { count, relativeTime, seconds, span } from "../output/units.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export async function sessionsShow(invocation: Invocation, [reference]: readonly [string]): Promise<void> {
  const session = await withStore(invocation, (storage) => findSession(storage, reference, invocation.signal));
  await printThing(invocation, sessionFields(session, invocation.style.now), session);
}

function sessionFields(session: Session, now: number): readonly Field[] {
  const time = (name: string, instant: Date | undefined): Field => ({
    name,
    value: instant?.toISOString(),
    shown: instant && `${instant.toISOString()} (${relativeTime(instant, now)})`,
  });
  const number = (name: string, value: number): Field => ({ name, value, shown: count(value) });
  return [
    { name: "session", value: session.sessionId },
    { name: "user", value: session.userId },
    { name: "status", value: session.status },
    time("created", session.createdAt),
    time("updated", session.updatedAt),
    time("expires", session.expiresAt),
    {
      name: "ttlMs",
      value: session.ttlMs,
      shown: session.ttlMs === undefined ? undefined : `${session.ttlMs} (${span(session.ttlMs)})`,
    },
    number("messages", session.messageCount),
    number("lastSeq", session.lastSeq),
    number("requests", session.requestCount),
    number("errors", session.errorCount),
    { name: "seconds", value: session.totalProcessingTime, shown: seconds(session.totalProcessingTime) },
    number("version", session.version),
    {
      name: "metadata",
      value: jsonField(session.metadata),
      shown: jsonField(session.metadata, 2),
    },
  ];
}
