/** Loads every checkpoint of a thread from both sides, and tells where they differ. */
import { isDeepStrictEqual } from "node:util";
import type { Checkpoint as StoredCheckpoint } from "../../../contract/checkpoint-storage.js";
import { isStorageError, quoteIdentifier } from "../../../contract/errors.js";
import { type Decoded, type DecodedWrite, partOfWrite, type TellPart } from "./decode-theirs.js";
import type { ImportRun } from "./import-run.js";
import type { CheckpointKey } from "./source.js";

/** `done` is called after every checkpoint. */
export async function verifyThread(run: ImportRun, threadId: string, done: () => void): Promise<void> {
  let lastSeq = -1;
  for await (const key of run.source.keys(threadId)) {
    run.checkSignal();
    const theirs = run.isLeftOut(threadId, key, "checkpoint") ? undefined : await run.source.read(threadId, key);
    if (theirs === undefined) {
      done();
      continue;
    }
    const decoded = await run.decoder.decode(theirs, ignore);
    const { namespace, checkpointId } = key;
    const ours = await run.storage.getCheckpoint(threadId, { namespace, checkpointId, writes: true });
    const tell = run.teller(threadId, key);
    if (ours === undefined) {
      if (decoded.state !== undefined) tell("difference", "checkpoint", false, "it is not in our store");
    } else {
      await compare(run, theirs.parentId, decoded, ours, tell);
      if (ours.seq <= lastSeq) tell("difference", "checkpoint", true, "it stands in another order in our store");
      lastSeq = ours.seq;
      run.counts.verified.checkpoints += 1;
      run.counts.verified.writes += decoded.writes.length;
    }
    done();
  }
  for await (const key of run.source.orphanKeys(threadId)) {
    run.checkSignal();
    if (run.isLeftOut(threadId, key, "writes")) continue;
    const writes = await run.decoder.writes(await run.source.writes(threadId, key), ignore);
    const ours = await run.storage.getWrites(threadId, key.checkpointId, { namespace: key.namespace });
    await compareWrites(run, threadId, key, writes, ours, run.teller(threadId, key));
    run.counts.verified.writes += writes.length;
  }
}

type Loaded = Awaited<ReturnType<ImportRun["codec"]["decodeState"]>>;

/** What is wrong with the record itself was told when it was imported. */
function ignore(): void {}

async function compare(
  run: ImportRun,
  parentId: string | undefined,
  { state, writes }: Decoded,
  ours: StoredCheckpoint,
  tell: TellPart,
): Promise<void> {
  if (state === undefined) return;
  const differs = (part: string): void => tell("difference", part, true, "the two sides are not the same");
  if (ours.parentId !== parentId) differs("parent");
  const loaded = await load(run, ours);
  if (loaded === undefined) return tell("difference", "checkpoint", true, "it cannot be read in our store");
  const { channel_values: theirValues, ...theirFrame } = state.checkpoint;
  const { channel_values: ourValues, ...ourFrame } = loaded.checkpoint;
  if (!isSame(run, theirFrame, ourFrame)) differs("checkpoint");
  if (!isSame(run, state.metadata, loaded.metadata)) differs("metadata");
  for (const name of new Set([...Object.keys(theirValues), ...Object.keys(ourValues)])) {
    const both = Object.hasOwn(theirValues, name) && Object.hasOwn(ourValues, name);
    if (!both || !isSame(run, theirValues[name], ourValues[name])) differs(`channel ${quoteIdentifier(name)}`);
  }
  await compareWrites(run, ours.threadId, ours, writes, ours.writes ?? [], tell);
}

async function compareWrites(
  run: ImportRun,
  threadId: string,
  { namespace, checkpointId }: CheckpointKey,
  theirs: readonly DecodedWrite[],
  ours: NonNullable<StoredCheckpoint["writes"]>,
  tell: TellPart,
): Promise<void> {
  const expected = theirs.filter((write) => !run.isLeftOut(threadId, { namespace, checkpointId }, partOfWrite(write)));
  // Our store may have more: the thread may have gone on here.
  const names = new Set(expected.map(partOfWrite));
  const found = ours.filter((write) => names.has(partOfWrite(write)));
  for (const [at, write] of expected.entries()) {
    const ourWrite = found[at];
    const same =
      ourWrite !== undefined &&
      ourWrite.taskId === write.taskId &&
      ourWrite.index === write.index &&
      ourWrite.channel === write.channel &&
      isSame(run, write.value, await run.codec.decode(ourWrite.value));
    if (!same) tell("difference", partOfWrite(write), ourWrite !== undefined, "the two sides are not the same");
  }
}

async function load(run: ImportRun, ours: StoredCheckpoint): Promise<Loaded | undefined> {
  try {
    return await run.codec.decodeState(ours.data);
  } catch (error) {
    if (isStorageError(error) && error.code === "CORRUPTION") return undefined;
    throw error;
  }
}

function isSame(run: ImportRun, theirs: unknown, ours: unknown): boolean {
  return isDeepStrictEqual(run.values.encode(theirs), run.values.encode(ours));
}
