/** What is copied together: a linked thread with its session, a task context with each session that shares it. */
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { Unit } from "./unit.js";

/** Links that are remembered. */
const MAX_LINKS = 10_000;

/** The sessions that threads are linked to. All that changes a link goes through the failover, so that what it knows is true. */
export class ThreadLinks {
  readonly #links = new Map<string, string | null>();

  /** What is remembered; `undefined` if nothing is. */
  known(tenant: string, threadId: string): string | null | undefined {
    return this.#links.get(linkName(tenant, threadId));
  }

  async of(
    tenant: string,
    threadId: string,
    view: StorageBackend,
    signal: AbortSignal | undefined,
  ): Promise<string | null> {
    const known = this.known(tenant, threadId);
    if (known !== undefined) return known;
    let link: string | null = null;
    for await (const record of view.exportRecords({ threadId, kinds: ["thread"], signal })) {
      if (record.kind === "thread") link = record.session_id ?? null;
    }
    if (this.#links.size >= MAX_LINKS) this.#links.clear();
    this.#links.set(linkName(tenant, threadId), link);
    return link;
  }

  /** What a call has done to a link is found out when it is asked for again. */
  forget(tenant: string, threadId: string): void {
    this.#links.delete(linkName(tenant, threadId));
  }

  forgetAll(): void {
    this.#links.clear();
  }
}

/** The task context of a session, if it has one. */
export async function contextOf(
  sessionId: string,
  view: StorageBackend,
  signal: AbortSignal | undefined,
): Promise<Unit | undefined> {
  for await (const record of view.exportRecords({ sessionId, kinds: ["session"], signal })) {
    if (record.kind !== "session" || record.context_id === undefined) continue;
    return { kind: "context", id: record.context_id, sessionId };
  }
  return undefined;
}

function linkName(tenant: string, threadId: string): string {
  return JSON.stringify([tenant, threadId]);
}
