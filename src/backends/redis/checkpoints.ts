/** Checkpoints and writes of the Redis backend (K1-K5, K8). */
import { assertExpectedHead } from "../../domain/checkpoints.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing, NewStoredCheckpoint } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../domain/driver/stored.js";
import { matchesMetadata } from "../../domain/metadata-filter.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { type NewBlock, type SplitState, splitState } from "../../domain/segments/split.js";
import {
  type CheckpointRow,
  packBlock,
  packedText,
  packedWith,
  packWrite,
  parsePlace,
  parseRow,
  parseWrites,
  readerOf,
  rowParts,
  toCheckpoint,
} from "./checkpoint-rows.js";
import type { RedisArgument } from "./connection/client.js";
import type { Connection } from "./connection/connection.js";
import { readTexts, storeTexts, whole } from "./long-texts.js";
import {
  GET_CHECKPOINT,
  GET_WRITES,
  KNOWN_BLOCKS,
  LIST_CHECKPOINTS,
  PUT_WRITES,
  READ_BLOCKS,
  STAGE_BLOCKS,
  STORE_CHECKPOINT,
  UNSTAGE_BLOCKS,
} from "./lua/checkpoints.js";
import { isPlain, readPlainly, rememberThread } from "./plain-checkpoints.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";
import type { Store } from "./store.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

/** Checkpoints of one step of a listing: rows alone, or with what belongs to them. */
const ROWS_AT_ONCE = 256;
const PARTS_AT_ONCE = 32;

/** Bytes of new blocks beyond which they are sent ahead of their checkpoint, and bytes of one such command. */
const STAGED_FROM_BYTES = 2 * 1024 * 1024;
const STAGED_AT_ONCE_BYTES = 1024 * 1024;

export function checkpointVerbs(opened: () => Store): CheckpointVerbs {
  return {
    storeCheckpoint: (call, threadId, checkpoint, fence) =>
      storeCheckpoint(opened(), call, threadId, checkpoint, fence),

    async getCheckpoint(call, threadId, wanted) {
      const store = opened();
      if (isPlain(store, call, threadId, wanted)) {
        const read = await readPlainly(store, call, threadId, wanted);
        if (read !== undefined) return read.checkpoint;
      }
      return whole(() => getCheckpoint(store, call, threadId, wanted));
    },

    listCheckpoints: (call, threadId, listing) => listCheckpoints(opened(), call, threadId, listing),

    async putWrites(call, threadId, { namespace, checkpointId, overwrite }, writes, fence) {
      const args = [threadId, namespace, checkpointId, overwrite ? "1" : "0", tokenText(fence)];
      const { connection, shards } = opened();
      const values = writes.map(({ value }) => String(value));
      const put = (texts: readonly string[]): Promise<Verdict> => {
        const packed = writes.flatMap((write, i) => packWrite({ ...write, value: texts[i] as string }));
        return connection.run(call, PUT_WRITES, [...args, ...packed]);
      };
      // A thread that moves to another shard takes along what is in its own keys.
      const reply = await (shards > 1 ? put(values) : storeTexts(connection, call, values, put));
      assertAccepted(reply, threadId, fence);
    },

    getWrites(call, threadId, { namespace, checkpointId }) {
      const { connection } = opened();
      const args = [threadId, namespace, checkpointId];
      return whole(async () => {
        const found = await connection.run<(string | null)[]>(call, GET_WRITES, args);
        return parseWrites(await writeTexts(connection, call, found));
      });
    },
  };
}

type CheckpointReply = readonly [
  id: Buffer,
  row: Buffer,
  blocks: Buffer[],
  rest: Buffer[],
  writes: Buffer[],
  sessionId: Buffer,
];

async function getCheckpoint(
  store: Store,
  call: Call,
  threadId: string,
  { namespace, checkpointId, writes, ifNoneMatch }: Parameters<CheckpointDriver["getCheckpoint"]>[2],
): Promise<StoredCheckpoint | undefined> {
  const reply = await store.connection.run<CheckpointReply | readonly []>(call, GET_CHECKPOINT, [
    threadId,
    namespace,
    checkpointId ?? "",
    writes ? "1" : "0",
    ifNoneMatch ?? "",
  ]);
  const [id, text, blocks, rest, found, sessionId] = reply;
  if (id === undefined || text === undefined) return undefined;
  const read = readerOf(await allBlocks(store, call, threadId, blocks ?? [], rest ?? []));
  const row = parseRow(namespace, id.toString(), text.toString());
  const texts = await writeTexts(store.connection, call, found ?? []);
  const checkpoint = toCheckpoint(row, { data: true, writes, ifNoneMatch }, read, texts);
  store.blocks.remember(call.tenant, threadId, read.names.reverse());
  rememberThread(store, call, threadId, sessionId !== undefined && sessionId.length > 0, checkpoint);
  return checkpoint;
}

/** Names and values of writes, one behind the other, as texts with what is long in them. */
export function writeTexts(
  connection: Connection,
  call: Call,
  flat: readonly (Buffer | string | null)[],
): (string | null)[] | Promise<(string | null)[]> {
  const texts = flat.map((each) => (each === null ? null : String(each)));
  return readTexts(
    connection,
    call,
    texts,
    (text, at) => (at % 2 === 1 ? packedText(text) : null),
    (packed, text) => packedWith(packed as string, text),
  );
}

/** The blocks of a reply with those that it has left for further calls. */
async function allBlocks(
  { connection }: Store,
  call: Call,
  threadId: string,
  blocks: Buffer[],
  rest: Buffer[],
): Promise<Buffer[]> {
  const all = [...blocks];
  for (let left = rest; left.length > 0; ) {
    const [found, still] = await connection.run<[Buffer[], Buffer[]]>(call, READ_BLOCKS, [threadId, ...left]);
    for (const each of found) all.push(each);
    left = still;
  }
  return all;
}

/** The blocks of a state as far as they are not known to be stored, and the names of those that were left out. */
export interface Sending {
  readonly blocks: readonly NewBlock[];
  readonly assumed: readonly string[];
}

export function sendingOf(state: SplitState, known: Pick<ReadonlySet<string>, "has">): Sending {
  const assumed = new Set<string>();
  const blocks = state.newBlocks((name) => {
    if (!known.has(name)) return false;
    assumed.add(name);
    return true;
  });
  // Pieces first: those of a long state are sent ahead.
  const ordered = [...blocks].sort((a, b) => Math.min(1, a.children.length) - Math.min(1, b.children.length));
  return { blocks: ordered, assumed: [...assumed] };
}

/** What the next state needs to know of is at the end: nodes behind pieces, and behind them what was known this time. */
export function namesOf({ blocks, assumed }: Sending): string[] {
  const pieces = blocks.filter(({ children }) => children.length === 0);
  const nodes = blocks.filter(({ children }) => children.length > 0).reverse();
  return [...[...pieces, ...nodes].map(({ name }) => name), ...assumed];
}

const NO_NAMES: ReadonlySet<string> = new Set();

async function storeCheckpoint(
  store: Store,
  call: Call,
  threadId: string,
  checkpoint: NewStoredCheckpoint,
  fence: FencingToken | null,
): Promise<StoredCheckpoint> {
  const { tenant } = call;
  const { expectedHead, data, ...stored } = checkpoint;
  const thread = threadKey(tenant, threadId);
  const state = splitState(data, store.outlines.get(thread, stored.namespace));
  store.outlines.keep(thread, stored.namespace, state.outline);
  let sending = sendingOf(state, store.blocks.of(tenant, threadId));
  if (sending.assumed.length === 0 && sending.blocks.length > 1) {
    sending = sendingOf(state, await askForBlocks(store, call, threadId, sending.blocks));
  }
  let staged = await stageBlocks(store, call, threadId, sending.blocks);
  for (;;) {
    const reply = await store.connection.run<Verdict>(
      call,
      STORE_CHECKPOINT,
      argumentsOf(threadId, checkpoint, state, sending.blocks.slice(staged), fence),
    );
    const [verdict, detail, createdAt] = reply;
    if (verdict !== "O" && staged > 0) await unstageBlocks(store, call, threadId, sending.blocks.slice(0, staged));
    assertAccepted(reply, stored.sessionId ?? "", fence);
    if (verdict === "H") assertExpectedHead(detail as string | null, expectedHead);
    if (verdict === "B") {
      // Somebody has removed what this process thought to be there.
      store.blocks.forget(tenant, threadId);
      sending = sendingOf(state, NO_NAMES);
      staged = 0;
      continue;
    }
    if (state.root !== null) store.blocks.remember(tenant, threadId, namesOf(sending));
    const own = { ...stored, seq: Number(detail), createdAt: Number(createdAt) };
    return { ...own, etag: state.root, data: null, writes: null };
  }
}

/**
 * Sends pieces of a long state ahead, in commands that hold the server for a moment each. Gives how many of the blocks went; they are those at
 * the beginning, which `sendingOf` puts there.
 */
export async function stageBlocks(
  { connection }: Store,
  call: Call,
  threadId: string,
  blocks: readonly NewBlock[],
): Promise<number> {
  const bytes = blocks.reduce((sum, { data }) => sum + data.length, 0);
  if (bytes <= STAGED_FROM_BYTES) return 0;
  const pieces = blocks.filter(({ children }) => children.length === 0);
  let args: RedisArgument[] = [threadId];
  let size = 0;
  const send = async (): Promise<void> => {
    await connection.run(call, STAGE_BLOCKS, args);
    // Nobody sees them yet.
    call.sent = false;
    args = [threadId];
    size = 0;
  };
  for (const piece of pieces) {
    args.push(Buffer.from(piece.name, "hex"), packBlock(piece));
    size += piece.data.length;
    if (size >= STAGED_AT_ONCE_BYTES) await send();
  }
  if (size > 0) await send();
  return pieces.length;
}

export async function unstageBlocks(
  { connection }: Store,
  call: Call,
  threadId: string,
  blocks: readonly NewBlock[],
): Promise<void> {
  await connection.run(call, UNSTAGE_BLOCKS, [threadId, ...blocks.map(({ name }) => Buffer.from(name, "hex"))]);
  call.sent = false;
}

/** Which blocks the thread has, of a state that follows none that this process knows. */
export async function askForBlocks(
  { connection }: Store,
  call: Call,
  threadId: string,
  blocks: readonly NewBlock[],
): Promise<ReadonlySet<string>> {
  const names = blocks.map(({ name }) => Buffer.from(name, "hex"));
  const known = await connection.run<number[]>(call, KNOWN_BLOCKS, [threadId, ...names]);
  return new Set(blocks.filter((_, i) => known[i] === 1).map(({ name }) => name));
}

function argumentsOf(
  threadId: string,
  checkpoint: NewStoredCheckpoint,
  state: SplitState,
  blocks: readonly NewBlock[],
  fence: FencingToken | null,
): RedisArgument[] {
  const { namespace, checkpointId, sessionId, expectedHead, parentId, needsParent } = checkpoint;
  const row = rowParts(checkpoint, state);
  const args: RedisArgument[] = [
    threadId,
    namespace,
    checkpointId,
    sessionId ?? "",
    fence?.kind ?? "",
    tokenText(fence),
    expectedHead === undefined ? "any" : expectedHead === null ? "none" : "is",
    expectedHead ?? "",
    needsParent && parentId !== null ? parentId : "",
    row.sizeBytes,
    row.needsParent ? "1" : "0",
    row.root ?? "-",
    row.links,
    row.metadata,
    row.manifest,
    blocks.length,
  ];
  for (const block of blocks) args.push(Buffer.from(block.name, "hex"), packBlock(block));
  return args;
}

/** One step of a listing: rows by their seq, with the parts that are asked for. */
export interface CheckpointPage {
  readonly namespace: string | null;
  readonly limit: number;
  /** Exclusive. */
  readonly bound: number | null;
  readonly direction: "asc" | "desc";
  readonly data: boolean;
  readonly writes: boolean;
}

/** A row, and the checkpoint with its parts. */
export interface FoundCheckpoint {
  readonly row: CheckpointRow;
  /** @throws CorruptionError */
  readonly checkpoint: () => StoredCheckpoint;
}

export async function pageOfCheckpoints(
  store: Store,
  call: Call,
  threadId: string,
  page: CheckpointPage,
): Promise<FoundCheckpoint[]> {
  const { namespace, limit, bound, direction, data, writes } = page;
  const flag = (value: boolean): string => (value ? "1" : "0");
  const args = [threadId, flag(namespace !== null), namespace ?? "", limit, bound ?? "", direction];
  return whole(async () => {
    const reply = await store.connection.run<[Buffer[]?, Buffer[]?, ...(Buffer | Buffer[])[]]>(call, LIST_CHECKPOINTS, [
      ...args,
      flag(data),
      flag(writes),
    ]);
    const [blocks, rest, ...flat] = reply;
    const read = readerOf(await allBlocks(store, call, threadId, blocks ?? [], rest ?? []));
    const found: FoundCheckpoint[] = [];
    for (let i = 0; i < flat.length; i += 3) {
      const row = parseRow(...parsePlace(String(flat[i])), String(flat[i + 1]));
      const texts = await writeTexts(store.connection, call, flat[i + 2] as Buffer[]);
      const checkpoint = (): StoredCheckpoint => toCheckpoint(row, page, read, texts);
      // What has come in several calls is put together here, where it can be read again.
      const made = rest !== undefined && rest.length > 0 ? checkpoint() : undefined;
      found.push({ row, checkpoint: () => made ?? checkpoint() });
    }
    return found;
  });
}

/** Bounded steps, newest first. What is not asked for is passed by without its state. */
async function listCheckpoints(
  store: Store,
  call: Call,
  threadId: string,
  { namespace, limit, before, metadata, data, writes }: CheckpointListing,
): Promise<StoredCheckpoint[]> {
  const listed: StoredCheckpoint[] = [];
  const most = data || writes ? PARTS_AT_ONCE : ROWS_AT_ONCE;
  for (let bound = before; listed.length < limit; ) {
    const step = Math.min(most, metadata.length === 0 ? limit - listed.length : most);
    const page = { namespace, limit: step, bound, direction: "desc", data, writes } as const;
    const found = await pageOfCheckpoints(store, call, threadId, page);
    for (const { row, checkpoint } of found) {
      bound = row.seq;
      if (listed.length < limit && matchesMetadata(row.metadata, metadata)) listed.push(checkpoint());
    }
    if (found.length < step) break;
    if (call.cancelled) throw call.cancellation();
  }
  return listed;
}
