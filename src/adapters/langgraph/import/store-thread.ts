/** One thread of theirs into our store, in their order, going on where an earlier import ended. */
import type { CheckpointWrite, WriteInput } from "../../../contract/checkpoint-storage.js";
import { isStorageError } from "../../../contract/errors.js";
import { MAX_WRITES, partsOf } from "../../../domain/lists.js";
import { equalValues } from "../equal-values.js";
import { configOf } from "../run-config.js";
import { type Decoded, type DecodedWrite, partOfWrite, type TellPart } from "./decode-theirs.js";
import type { ImportRun } from "./import-run.js";
import type { CheckpointKey } from "./source.js";

/** Reads a thread and stores it; with `dryRun` it is only read. `done` is called after every checkpoint. */
export async function storeThread(run: ImportRun, threadId: string, done: () => void): Promise<void> {
  const { source, decoder, counts } = run;
  const dryRun = run.options.dryRun ?? false;
  const thread = dryRun ? undefined : await ThreadWriter.open(run, threadId);
  for await (const key of source.keys(threadId)) {
    run.checkSignal();
    const theirs = await source.read(threadId, key);
    if (theirs === undefined) continue;
    const tell = run.teller(threadId, key);
    counts.read.checkpoints += 1;
    counts.read.writes += theirs.writes.length;
    if (!theirs.hasParent) tell("missing-parent", "checkpoint", true, "the parent that it names is not there");
    const decoded = await decoder.decode(theirs, tell);
    if (thread === undefined) {
      counts.imported.checkpoints += decoded.state === undefined ? 0 : 1;
      counts.imported.writes += decoded.writes.length;
    } else await thread.store(key, theirs.parentId, decoded, tell);
    done();
  }
  await thread?.stored();
  for await (const key of source.orphanKeys(threadId)) {
    run.checkSignal();
    const tell = run.teller(threadId, key);
    const theirs = await source.writes(threadId, key);
    counts.read.writes += theirs.length;
    tell("orphan-writes", "writes", true, "the checkpoint of these writes is not there");
    const writes = await decoder.writes(theirs, tell);
    if (thread === undefined) counts.imported.writes += writes.length;
    else await thread.storeOrphans(key, writes, tell);
  }
}

/** Our side of one thread. */
class ThreadWriter {
  readonly #run: ImportRun;
  readonly #threadId: string;
  /** Why our store takes nothing of the thread, when it does not take its id. */
  readonly #refusal: string | undefined;
  /** The newest checkpoint that our thread had at the start. */
  readonly #head: CheckpointKey | undefined;
  /** Whether theirs knows that one: if not, our thread has gone on by itself. */
  readonly #headIsTheirs: boolean;
  /** Whether all that our thread has lies behind in their order, so that what comes is new. */
  #beyondHead: boolean;
  /** The checkpoint before: one is on its way while the next one's writes are stored. */
  #last: Promise<void> = Promise.resolve();

  private constructor(
    run: ImportRun,
    threadId: string,
    head: Attempt<CheckpointKey | undefined>,
    headIsTheirs: boolean,
  ) {
    this.#run = run;
    this.#threadId = threadId;
    this.#refusal = head.refusal;
    this.#head = head.value;
    this.#headIsTheirs = headIsTheirs;
    this.#beyondHead = head.value === undefined;
  }

  static async open(run: ImportRun, threadId: string): Promise<ThreadWriter> {
    const { storage, source, options } = run;
    const newest = await attempt(storage.listCheckpoints(threadId, { limit: 1, signal: options.signal }));
    const head = newest.value?.[0];
    const headIsTheirs = head !== undefined && (await source.has(threadId, head));
    return new ThreadWriter(run, threadId, { value: head, refusal: newest.refusal }, headIsTheirs);
  }

  /** A checkpoint with its writes; these come first, so that a checkpoint that is there is complete. */
  async store(key: CheckpointKey, parentId: string | undefined, decoded: Decoded, tell: TellPart): Promise<void> {
    const { counts, storage } = this.#run;
    const isNew = this.#beyondHead;
    if (this.#head?.checkpointId === key.checkpointId && this.#head.namespace === key.namespace)
      this.#beyondHead = true;
    const found = isNew ? {} : await attempt(storage.getCheckpoint(this.#threadId, { ...placeOf(key), writes: true }));
    const refusal = this.#refusal ?? found.refusal;
    if (refusal !== undefined) return tell("refused", "checkpoint", false, refusal);
    if (found.value !== undefined) {
      counts.present.checkpoints += 1;
      return await this.#storeMissing(key, decoded.writes, found.value.writes ?? [], tell);
    }
    const { state } = decoded;
    if (state !== undefined && !isNew) {
      const [kind, reason] = this.#headIsTheirs ? REMOVED : DIVERGED;
      return tell(kind, "checkpoint", false, reason);
    }
    const writes = this.#storeWrites(key, decoded.writes, tell);
    await Promise.all([this.#last, writes]);
    if (state === undefined) return;
    const config = configOf(this.#threadId, key.namespace, parentId ?? "");
    const { channel_values, channel_versions } = state.checkpoint;
    // Every value is stored: the saver would pass over those that their row names no version of.
    const all = { ...channel_versions, ...Object.fromEntries(Object.keys(channel_values).map((name) => [name, 1])) };
    const storing = async (): Promise<void> => {
      const { refusal } = await attempt(this.#run.saver.put(config, state.checkpoint, state.metadata, all));
      if (refusal === undefined) counts.imported.checkpoints += 1;
      else tell("refused", "checkpoint", false, refusal);
    };
    this.#last = storing();
    // Whoever waits for it next is told; until then nobody else may be.
    this.#last.catch(() => undefined);
  }

  /** Settles when the last checkpoint is stored. */
  stored(): Promise<void> {
    return this.#last;
  }

  async storeOrphans(key: CheckpointKey, writes: readonly DecodedWrite[], tell: TellPart): Promise<void> {
    const { namespace } = key;
    const there = await attempt(this.#run.storage.getWrites(this.#threadId, key.checkpointId, { namespace }));
    if (there.refusal !== undefined) return tell("refused", "writes", false, there.refusal);
    await this.#storeMissing(key, writes, there.value ?? [], tell);
  }

  async #storeMissing(
    key: CheckpointKey,
    writes: readonly DecodedWrite[],
    there: readonly CheckpointWrite[],
    tell: TellPart,
  ): Promise<void> {
    const stored = new Map(there.map((write) => [keyOfWrite(write), write]));
    const missing: DecodedWrite[] = [];
    for (const write of writes) {
      const ours = stored.get(keyOfWrite(write));
      // Errors, interrupts and resumes replace each other, so theirs may have changed.
      const same = ours !== undefined && (write.index >= 0 || (await this.#isSame(write, ours)));
      if (!same) missing.push(write);
    }
    this.#run.counts.present.writes += writes.length - missing.length;
    await this.#storeWrites(key, missing, tell);
  }

  async #isSame(theirs: DecodedWrite, ours: CheckpointWrite): Promise<boolean> {
    const { values, codec } = this.#run;
    if (theirs.channel !== ours.channel) return false;
    return equalValues(values.encode(theirs.value), values.encode(await codec.decode(ours.value)));
  }

  async #storeWrites(key: CheckpointKey, writes: readonly DecodedWrite[], tell: TellPart): Promise<void> {
    const groups = Map.groupBy(writes, ({ taskId, taskPath, index }) => JSON.stringify([taskId, taskPath, index < 0]));
    const parts = Array.from(groups.values()).flatMap((group) => partsOf(group, MAX_WRITES));
    await Promise.all(parts.map((part) => this.#storeGroup(key, part, tell)));
  }

  /** Writes of one task; when our store refuses them, each alone, so that only those that it means stay out. */
  async #storeGroup(key: CheckpointKey, group: readonly DecodedWrite[], tell: TellPart): Promise<void> {
    const { codec, storage, counts } = this.#run;
    const [first] = group;
    if (first === undefined) return;
    const values = await codec.encodeAll(group.map(({ value }) => value));
    const inputs = group.map(({ channel, index }, at): WriteInput => [channel, values[at], index]);
    const { refusal } = await attempt(
      storage.putWrites(this.#threadId, key.checkpointId, first.taskId, inputs, {
        namespace: key.namespace,
        taskPath: first.taskPath,
        overwrite: first.index < 0,
      }),
    );
    if (refusal === undefined) counts.imported.writes += group.length;
    else if (group.length === 1) tell("refused", partOfWrite(first), false, refusal);
    else for (const write of group) await this.#storeGroup(key, [write], tell);
  }
}

const REMOVED = ["removed", "later checkpoints of the thread are in our store and this one is not"] as const;
const DIVERGED = ["diverged", "the thread has gone on in our store"] as const;

function placeOf({ namespace, checkpointId }: CheckpointKey): CheckpointKey {
  return { namespace, checkpointId };
}

function keyOfWrite({ taskId, index }: Pick<CheckpointWrite, "taskId" | "index">): string {
  return JSON.stringify([taskId, index]);
}

/** What a call of our store gave, or why the store does not take such a record. */
interface Attempt<T> {
  readonly value?: T | undefined;
  readonly refusal?: string | undefined;
}

/** Any failure but a refusal of the record is thrown. */
async function attempt<T>(call: Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await call };
  } catch (error) {
    if (!isStorageError(error) || (error.code !== "SERIALIZATION" && error.code !== "INVALID_ARGUMENT")) throw error;
    return { refusal: error.message };
  }
}
