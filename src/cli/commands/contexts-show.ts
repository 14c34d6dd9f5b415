/** `waystone contexts show`: one version of a session's task context. */

import { quoteIdentifier } from "../../contract/errors.js";
import { CommandFailure } from "../command-failure.js";
import type { Invocation } from "../invocation.js";
import { inspectValue } from "../output/content.js";
import { jsonField } from "../output/json.js";
import { portable } from "../output/portable.js";
import { printThing } from "../output/thing.js";
import { relativeTime, size } from "../output/units.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export interface ContextsShowOptions {
  readonly full?: boolean;
}

export async function contextsShow(
  invocation: Invocation,
  [reference, version]: readonly [string, number | undefined],
  { full }: ContextsShowOptions,
): Promise<void> {
  const { signal, style } = invocation;
  const context = await withStore(invocation, async (storage) => {
    const { sessionId } = await findSession(storage, reference, signal);
    const found = await storage.getTaskContext(sessionId, { version, signal });
    if (found !== undefined) return found;
    const what = version === undefined ? "task context" : `version ${version} of its task context`;
    throw new CommandFailure("NOT_FOUND", `session ${quoteIdentifier(sessionId)} has no ${what}`, {
      hint: "`waystone contexts ls SESSION` lists the versions that are kept",
    });
  });
  const created = context.createdAt.toISOString();
  await printThing(
    invocation,
    [
      { name: "session", value: context.sessionId },
      { name: "version", value: context.version },
      { name: "created", value: created, shown: `${created} (${relativeTime(context.createdAt, style.now)})` },
      { name: "size", value: context.sizeBytes, shown: size(context.sizeBytes) },
      {
        name: "metadata",
        value: jsonField(context.metadata),
        shown: jsonField(context.metadata, 2),
      },
      {
        name: "context",
        value: jsonField(portable(context.context)),
        shown: inspectValue(context.context, { width: style.width - 10, full: full === true }),
      },
    ],
    { ...context, context: portable(context.context) },
  );
}
