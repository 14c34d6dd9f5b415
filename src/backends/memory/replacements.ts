/** Values in the place of stored ones, in the memory backend (P2). */
import { isSameText, LongText } from "../../domain/codec/long-text.js";
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointReplacementRow, ReplacementRow } from "../../domain/driver/replacements.js";
import { isItemExpired } from "../../domain/items.js";
import { etagOf } from "../../domain/segments/manifest.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { findCheckpoint } from "./checkpoints.js";
import { setSession } from "./session-entries.js";
import { enter, liveSession, liveThread, type MemoryStore, type Tenant, type ThreadEntry } from "./state.js";
import { keepSplitCheckpoint } from "./thread-entries.js";

export async function replaceStored(
  store: MemoryStore,
  call: Call,
  replacements: readonly ReplacementRow[],
): Promise<boolean[]> {
  const { tenant, now } = enter(store, call);
  const slices = new Slices(call, EACH_STEP);
  // States are taken apart in steps, between which nobody else may change them.
  return alone(tenant, async () => {
    const results: boolean[] = [];
    for (const each of replacements) {
      results.push(each.kind === "checkpoint" ? await state(slices, tenant, each, now) : replaced(tenant, each, now));
      if (slices.over()) await slices.next();
    }
    return results;
  });
}

function replaced(tenant: Tenant, each: Exclude<ReplacementRow, CheckpointReplacementRow>, now: number): boolean {
  switch (each.kind) {
    case "session": {
      const session = liveSession(tenant, each.sessionId, now);
      if (session === undefined || session.row.metadata !== each.from.metadata) return false;
      setSession(tenant, session, { ...session.row, metadata: each.to.metadata });
      return true;
    }
    case "message": {
      const conversation = liveSession(tenant, each.sessionId, now)?.conversation;
      const message = conversation?.messages.get(each.seq);
      if (message === undefined || !holds(message, each.from)) return false;
      const changed = { ...message, ...each.to };
      conversation?.messages.put(changed);
      conversation?.byRole.get(message.role)?.put(changed);
      return true;
    }
    case "task_context": {
      const context = liveSession(tenant, each.sessionId, now)?.context;
      const version = context?.versions.find((stored) => stored.version === each.version);
      if (!context || version === undefined || !holds(version, each.from)) return false;
      context.versions = context.versions.map((stored) => (stored === version ? { ...stored, ...each.to } : stored));
      return true;
    }
    case "write": {
      const ofTask = liveThread(tenant, each.threadId, now)
        ?.namespaces.get(each.namespace)
        ?.writes.get(each.checkpointId)
        ?.get(each.taskId);
      const write = ofTask?.get(each.index);
      if (ofTask === undefined || write === undefined || !holds(write, each.from)) return false;
      ofTask.set(each.index, { ...write, ...each.to });
      return true;
    }
    case "item": {
      const item = tenant.items.get(each);
      if (item === undefined || isItemExpired(item, now) || !holds(item, each.from)) return false;
      tenant.items.put({ ...item, ...each.to });
      return true;
    }
  }
}

/** Whether a row has these fields. */
function holds<Row extends object>(row: Row, fields: Partial<Row>): boolean {
  return (Object.keys(fields) as (keyof Row)[]).every((name) => {
    const [stored, expected] = [row[name], fields[name]];
    return stored instanceof LongText ? isSameText(stored, String(expected)) : stored === expected;
  });
}

async function state(
  slices: Slices,
  tenant: Tenant,
  { threadId, namespace, checkpointId, from, to }: CheckpointReplacementRow,
  now: number,
): Promise<boolean> {
  const thread = liveThread(tenant, threadId, now);
  const row = thread && findCheckpoint(thread, namespace, checkpointId);
  if (thread === undefined || row === undefined || row.metadata !== from.metadata) return false;
  if (from.etag !== null ? etagOf(row.data) !== from.etag : !isText(thread, row.data, from.data)) return false;
  const split = await slices.run(thread.blocks.split(to.data, namespace));
  const kept = { ...row, sizeBytes: to.sizeBytes, metadata: to.metadata };
  await slices.finish(keepSplitCheckpoint(thread, kept, split));
  return true;
}

function isText(thread: ThreadEntry, manifest: string, text: string): boolean {
  return etagOf(manifest) === null && thread.blocks.read(manifest) === text;
}
