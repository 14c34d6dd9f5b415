/** What began at the fallback while the primary was away (`fallback-on-failure`): whether the primary may take it, and its removal afterwards. */
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { CopyWatch } from "./copy-watch.js";
import type { Mark } from "./marks.js";

/** Whether the primary has something under this name. */
export function isThere({ unit }: Mark, primary: StorageBackend, watch: CopyWatch): Promise<boolean> {
  return watch.at("primary", async () => {
    if (unit.kind === "session") return (await primary.getSession(unit.id, watch.options)) !== undefined;
    if (unit.kind === "item") return (await primary.getItem(unit.namespace, unit.key, watch.options)) !== undefined;
    if (unit.kind !== "thread") return false;
    for await (const _record of primary.exportRecords({ threadId: unit.id, kinds: ["thread"] })) return true;
    return false;
  });
}

/** Removes from the fallback what the primary has now. */
export async function removeFrom(
  viewOf: (tenant: string) => StorageBackend,
  marks: readonly Mark[],
  timeoutMs: number,
): Promise<void> {
  for (const { tenant, unit } of marks) {
    const fallback = viewOf(tenant);
    if (unit.kind === "session") await fallback.deleteSession(unit.id, { timeoutMs });
    if (unit.kind === "thread") await fallback.deleteThread(unit.id, { timeoutMs });
    if (unit.kind === "item") await fallback.deleteItem(unit.namespace, unit.key, { timeoutMs });
  }
}
