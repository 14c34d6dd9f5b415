/**
 * Import into shards (P1): all of them are asked first whether they refuse anything, then each stores what is its own. A batch that is cut off
 * in between is stored in part, as one of several batches is.
 */
import { ConflictError, UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type { GroupVerdict, ImportBatch, ImportGroup } from "../../../domain/driver/imports.js";
import type { CheckpointDriver } from "../../../domain/driver/storage-driver.js";
import { subjectName } from "../../../domain/records/import-refusals.js";
import { checkImport, importBatch } from "../imports.js";
import { SESSIONS_OF_CONTEXTS } from "../lua/imports.js";
import { GET_THREAD } from "../lua/threads.js";
import { byShard, type Shards } from "./shards.js";
import type { ThreadPlaces } from "./thread-places.js";

type Placed = { readonly thing: ImportGroup; readonly at: number };

export class ShardedImport {
  readonly #shards: Shards;
  readonly #places: ThreadPlaces;
  readonly #threads: Pick<CheckpointDriver, "deleteThread">;
  readonly #isSession: (call: Call, sessionId: string) => Promise<boolean>;

  constructor(
    shards: Shards,
    places: ThreadPlaces,
    threads: Pick<CheckpointDriver, "deleteThread">,
    isSession: (call: Call, sessionId: string) => Promise<boolean>,
  ) {
    this.#shards = shards;
    this.#places = places;
    this.#threads = threads;
    this.#isSession = isSession;
  }

  async run(call: Call, { onConflict, groups }: ImportBatch): Promise<GroupVerdict[]> {
    await this.#check(call, { onConflict, groups });
    const verdicts: GroupVerdict[] = [];
    for (let from = 0; from < groups.length; ) {
      const { kind } = (groups[from] as ImportGroup).subject;
      let to = from;
      while (groups[to]?.subject.kind === kind) to += 1;
      const some = groups.slice(from, to).map((thing, i): Placed => ({ thing, at: from + i }));
      if (kind === "thread") {
        for (const { thing, at } of some) verdicts[at] = await this.#importThread(call, thing, onConflict);
      } else {
        await this.#importAll(call, some, onConflict, verdicts);
      }
      from = to;
    }
    return verdicts;
  }

  async #check(call: Call, { onConflict, groups }: ImportBatch): Promise<void> {
    await this.#assertUnshared(call, groups);
    const parts = new Map<number, ImportGroup[]>();
    const add = (shard: number, group: ImportGroup): void => {
      parts.set(shard, [...(parts.get(shard) ?? []), group]);
    };
    for (const group of groups) {
      const { subject } = group;
      if (subject.kind === "task_context") for (const shard of this.#shards.numbers) add(shard, group);
      else if (subject.kind === "thread") add((await this.#places.locate(call, subject.id)).shard, group);
      else add(this.#shardOf(group), group);
    }
    for (const [shard, some] of parts) {
      await checkImport(this.#shards.connection, this.#shards.call(call, shard), { onConflict, groups: some });
    }
  }

  /** @throws UnsupportedError for a context that another session has too */
  async #assertUnshared(call: Call, groups: readonly ImportGroup[]): Promise<void> {
    const owners = new Map<string, Set<string>>();
    for (const { subject, rows } of groups) {
      const [row] = rows;
      if (subject.kind !== "session" || row?.kind !== "session" || row.contextId === null) continue;
      owners.set(row.contextId, (owners.get(row.contextId) ?? new Set()).add(subject.id));
    }
    const contexts = [...owners.keys()];
    if (contexts.length === 0) return;
    const found = await this.#shards.ask(call, (one) =>
      this.#shards.connection.run<string[][]>(one, SESSIONS_OF_CONTEXTS, contexts),
    );
    for (const [i, context] of contexts.entries()) {
      const sessions = owners.get(context) as Set<string>;
      for (const each of found) for (const session of each[i] ?? []) sessions.add(session);
      if (sessions.size > 1) {
        throw new UnsupportedError(
          "sessions share no task context where a tenant is spread over shards, and those of the records do",
        );
      }
    }
  }

  /** Groups of one kind that are not threads. */
  async #importAll(
    call: Call,
    groups: readonly Placed[],
    onConflict: ImportBatch["onConflict"],
    verdicts: GroupVerdict[],
  ): Promise<void> {
    const homes = await this.#homesOf(call, groups);
    for (const [shard, part] of byShard(groups, ({ thing }) => homes.get(thing) as number)) {
      const some = part.map(({ thing }) => thing.thing);
      const found = await importBatch(this.#shards.connection, this.#shards.call(call, shard), {
        onConflict,
        groups: some,
      });
      for (const [i, { thing }] of part.entries()) verdicts[thing.at] = found[i] as GroupVerdict;
    }
  }

  async #homesOf(call: Call, groups: readonly Placed[]): Promise<ReadonlyMap<ImportGroup, number>> {
    const homes = new Map<ImportGroup, number>(groups.map(({ thing }) => [thing, this.#shardOf(thing)]));
    const contexts = groups.map(({ thing }) => thing).filter(({ subject }) => subject.kind === "task_context");
    if (contexts.length === 0) return homes;
    const ids = contexts.map(({ subject }) => (subject.kind === "item" ? "" : subject.id));
    const found = await this.#shards.ask(call, (one) =>
      this.#shards.connection.run<string[][]>(one, SESSIONS_OF_CONTEXTS, ids),
    );
    for (const [i, context] of contexts.entries()) {
      const shard = found.findIndex((each) => (each[i]?.length ?? 0) > 0);
      if (shard !== -1) homes.set(context, shard);
    }
    return homes;
  }

  #shardOf({ subject }: ImportGroup): number {
    return this.#shards.of(subject.kind === "item" ? (subject.namespace[0] as string) : subject.id);
  }

  /** A thread comes to its session; what was there before it, in whichever shard, goes. */
  async #importThread(call: Call, group: ImportGroup, onConflict: ImportBatch["onConflict"]): Promise<GroupVerdict> {
    const threadId = group.subject.kind === "thread" ? group.subject.id : "";
    const store = async (one: Call): Promise<GroupVerdict> => {
      const [verdict] = await importBatch(this.#shards.connection, one, { onConflict, groups: [group] });
      return verdict as GroupVerdict;
    };
    if (group.continued !== null) return this.#places.at(call, threadId, store);
    const { shard, isThere } = await this.#places.at(call, threadId, async (one, at) => {
      const row = await this.#shards.connection.run<readonly unknown[]>(one, GET_THREAD, [threadId]);
      return { shard: at, isThere: row.length > 0 };
    });
    if (isThere && onConflict === "error") throw new ConflictError(`${subjectName(group.subject)} is already stored`);
    if (isThere && onConflict === "skip") return "skipped";
    const target = await this.#targetOf(call, group, threadId);
    // A lease that is older than its thread comes along.
    if (shard === target || !isThere) return this.#into(call, threadId, target, store);
    await this.#threads.deleteThread(call, threadId);
    const verdict = await this.#into(call, threadId, target, store);
    return verdict === "imported" ? "replaced" : verdict;
  }

  #into<T>(call: Call, threadId: string, shard: number, run: (call: Call) => Promise<T>): Promise<T> {
    return this.#places.into(call, threadId, shard, async () => undefined, run);
  }

  async #targetOf(call: Call, { rows: [row] }: ImportGroup, threadId: string): Promise<number> {
    const sessionId = row?.kind === "thread" ? row.sessionId : null;
    const home = sessionId !== null && (await this.#isSession(call, sessionId)) ? sessionId : threadId;
    return this.#shards.of(home);
  }
}
