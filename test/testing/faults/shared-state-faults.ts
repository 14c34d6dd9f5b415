// Faults of states that share blocks: a backend that cuts states into pieces and mixes them up or frees too many of them.
import { createHash } from "node:crypto";
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../../src/domain/driver/stored.js";
import type { StorageFactory } from "../../../src/testing/storage-factory.js";
import { driverFault, type Fault, keyOf, memoryFactory } from "./fault.js";

const ALL = { namespace: null, limit: 10_000, before: null, metadata: [], data: false, writes: false } as const;

const PIECE = 4_096;

/** How a backend of pieces may be wrong. */
interface PieceStore {
  /** The name of a piece of a thread: its content says it, unless something else does. */
  readonly nameOf?: (thread: string, piece: string, position: number) => string;
  /** Whether these free the pieces of the states that go, also those that other states need. */
  readonly frees?: "replacing" | "pruning" | "deleting" | "deletingThreads";
}

/** A driver whose states are pieces of a map, by their names. */
function inPieces(driver: StorageDriver, { nameOf, frees }: PieceStore): Partial<StorageDriver> {
  const pieces = new Map<string, string>();
  const lists = new Map<string, readonly string[]>();
  const name = nameOf ?? ((thread, piece) => `${thread} ${createHash("sha256").update(piece).digest("hex")}`);
  const placeOf = (call: Call, threadId: string, each: { namespace: string; checkpointId: string }): string =>
    keyOf(call, threadId, each.namespace, each.checkpointId);
  const read = (call: Call, threadId: string, found: StoredCheckpoint): StoredCheckpoint => {
    const names = lists.get(placeOf(call, threadId, found));
    if (names === undefined || found.data === null) return found;
    const parts = names.map((each) => pieces.get(each));
    return { ...found, data: parts.includes(undefined) ? null : parts.join("") };
  };
  const free = (places: Iterable<string>): void => {
    for (const place of places) for (const each of lists.get(place) ?? []) pieces.delete(each);
  };
  const placesOf = async (call: Call, threadId: string): Promise<string[]> =>
    (await driver.listCheckpoints(call, threadId, ALL)).map((each) => placeOf(call, threadId, each));
  /** Runs a deletion; what it removed from the thread is freed. */
  const freeing = async <T>(call: Call, threadId: string, remove: () => Promise<T>): Promise<T> => {
    const before = await placesOf(call, threadId);
    const result = await remove();
    const after = new Set(await placesOf(call, threadId));
    free(before.filter((place) => !after.has(place)));
    return result;
  };
  return {
    storeCheckpoint: async (call, threadId, checkpoint, fence) => {
      const stored = await driver.storeCheckpoint(call, threadId, checkpoint, fence);
      const place = placeOf(call, threadId, checkpoint);
      if (frees === "replacing") free([place]);
      const text = String(checkpoint.data);
      const names: string[] = [];
      for (let i = 0; i < text.length; i += PIECE) {
        const piece = text.slice(i, i + PIECE);
        const pieceName = name(keyOf(call, threadId), piece, i);
        pieces.set(pieceName, piece);
        names.push(pieceName);
      }
      lists.set(place, names);
      return stored;
    },
    getCheckpoint: async (call, threadId, wanted) => {
      const found = await driver.getCheckpoint(call, threadId, wanted);
      return found && read(call, threadId, found);
    },
    listCheckpoints: async (call, threadId, listing) =>
      (await driver.listCheckpoints(call, threadId, listing)).map((each) => read(call, threadId, each)),
    copyThread: async (call, from, to) => {
      const result = await driver.copyThread(call, from, to);
      if (result !== "copied") return result;
      for (const each of await driver.listCheckpoints(call, from, ALL)) {
        // The copy names the pieces of its source.
        const names = lists.get(placeOf(call, from, each));
        if (names === undefined) lists.delete(placeOf(call, to, each));
        else lists.set(placeOf(call, to, each), names);
      }
      return result;
    },
    ...(frees === "pruning"
      ? {
          pruneCheckpoints: async (call, prune) => {
            const threads = { sessionId: null, orderBy: "createdAt", direction: "asc", limit: 1_000 } as const;
            const { rows } = await driver.listThreads(call, { ...threads, after: null });
            const [first, ...others] = rows.map(({ threadId }) => threadId);
            const prunes = (): ReturnType<StorageDriver["pruneCheckpoints"]> => driver.pruneCheckpoints(call, prune);
            if (first === undefined) return prunes();
            return others.reduce(
              (rest, each) => () => freeing(call, each, rest),
              () => freeing(call, first, prunes),
            )();
          },
        }
      : {}),
    ...(frees === "deleting"
      ? {
          deleteCheckpoints: (call, threadId, target, fence) =>
            freeing(call, threadId, () => driver.deleteCheckpoints(call, threadId, target, fence)),
        }
      : {}),
    ...(frees === "deletingThreads"
      ? { deleteThread: (call, threadId) => freeing(call, threadId, () => driver.deleteThread(call, threadId)) }
      : {}),
  };
}

/** Without a mistake: what the faults below are made from is right. */
export const PIECES_WITHOUT_FAULT: StorageFactory = memoryFactory((driver) => inPieces(driver, {}));

export const SHARED_STATE_FAULTS: readonly Fault[] = [
  driverFault("a piece is known by its place, so that a later state writes over it", ["K4"], (driver) =>
    inPieces(driver, { nameOf: (thread, _piece, position) => `${thread} ${position}` }),
  ),

  driverFault("a piece is known by its beginning", ["K4"], (driver) =>
    inPieces(driver, { nameOf: (thread, piece, position) => `${thread} ${position} ${piece.slice(0, 64)}` }),
  ),

  driverFault("a piece is known by its length", ["K4"], (driver) =>
    inPieces(driver, { nameOf: (thread, piece) => `${thread} ${piece.length}` }),
  ),

  driverFault("replacing a state frees pieces that others need", ["K1"], (driver) =>
    inPieces(driver, { frees: "replacing" }),
  ),

  driverFault("pruning frees pieces that what is kept needs", ["K6"], (driver) =>
    inPieces(driver, { frees: "pruning" }),
  ),

  driverFault("deleting checkpoints frees pieces that others need", ["K9"], (driver) =>
    inPieces(driver, { frees: "deleting" }),
  ),

  driverFault("a copy lives on the pieces of its source", ["K7"], (driver) =>
    inPieces(driver, { frees: "deletingThreads" }),
  ),
];
