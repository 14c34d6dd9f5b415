// Faults of what is stored: states that share nothing, and removals that free nothing. They are tried on SQLite, which tells its bytes.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteDriver } from "../../../src/backends/sqlite/index.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../../src/domain/driver/stored.js";
import type { StorageFactory } from "../../../src/testing/storage-factory.js";
import type { Fault } from "./fault.js";

type Change = (driver: StorageDriver) => Partial<StorageDriver>;

const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Stores in SQLite files, with the changes. Without any it is the control. */
function sqliteFactory(change: Change): StorageFactory {
  return {
    supports: { reopen: false, secondHandle: false, clock: true, storedBytes: true, freedBytes: true },
    create: async () => {
      const directory = await mkdtemp(join(base, "waystone-faults-"));
      return {
        open: async (options = {}) => {
          const driver = sqliteDriver({ ...options, path: join(directory, "store.db"), durability: "process" });
          return storageBackend({ ...driver, ...change(driver) }, options);
        },
        destroy: () => rm(directory, { recursive: true }),
      };
    },
  };
}

/** A fault that is only tried on clauses about bytes: the other ones of a promise do not look at them. */
function bytesFault(name: string, promises: readonly string[], change: Change): Fault {
  return { name, promises, factory: sqliteFactory(change) };
}

const KEY = randomBytes(16);

/** Each time other text, whatever it says. */
function scrambled(text: string): string {
  const nonce = randomBytes(16);
  return `${nonce.toString("hex")}${createCipheriv("aes-128-ctr", KEY, nonce).update(text, "utf8", "base64")}`;
}

function clear(found: StoredCheckpoint): StoredCheckpoint {
  if (found.data === null) return found;
  const stored = String(found.data);
  const nonce = Buffer.from(stored.slice(0, 32), "hex");
  const data = createDecipheriv("aes-128-ctr", KEY, nonce).update(stored.slice(32), "base64", "utf8");
  return { ...found, data };
}

/** What a removal takes out of sight stays in a copy of the thread that no listing shows. */
function keeping(driver: StorageDriver): {
  readonly keep: (call: Call, threadId: string) => Promise<void>;
  readonly hiding: Pick<StorageDriver, "listThreads">;
} {
  let copies = 0;
  return {
    keep: async (call, threadId) => {
      copies += 1;
      await driver.copyThread(call, threadId, `~kept ${copies}`);
    },
    hiding: {
      listThreads: async (call, listing) => {
        const { rows, more } = await driver.listThreads(call, listing);
        return { rows: rows.filter(({ threadId }) => !threadId.startsWith("~kept ")), more };
      },
    },
  };
}

/** Without a mistake. */
export const SQLITE_WITHOUT_FAULT: StorageFactory = sqliteFactory(() => ({}));

export const STORED_BYTES_FAULTS: readonly Fault[] = [
  bytesFault("each state is stored whole", ["K4"], (driver) => ({
    storeCheckpoint: (call, threadId, checkpoint, fence) => {
      const data = EncodedText.of(scrambled(String(checkpoint.data)));
      return driver.storeCheckpoint(call, threadId, { ...checkpoint, data }, fence);
    },
    getCheckpoint: async (call, threadId, wanted) => {
      const found = await driver.getCheckpoint(call, threadId, wanted);
      return found && clear(found);
    },
    listCheckpoints: async (call, threadId, listing) =>
      (await driver.listCheckpoints(call, threadId, listing)).map(clear),
  })),

  bytesFault("what a state has in common with others is stored once for each of its changes", ["K4"], (driver) => ({
    // Beside each state its text stands once more, where nobody looks.
    storeCheckpoint: async (call, threadId, checkpoint, fence) => {
      const stored = await driver.storeCheckpoint(call, threadId, checkpoint, fence);
      const { checkpointId } = checkpoint;
      const value = JSON.stringify(scrambled(String(checkpoint.data)));
      const write = { taskId: "beside", taskPath: "", index: 0, channel: "beside", value };
      await driver.putWrites(call, threadId, { namespace: "~", checkpointId, overwrite: true }, [write], null);
      return stored;
    },
  })),

  bytesFault("pruning frees nothing", ["K6"], (driver) => {
    const { keep, hiding } = keeping(driver);
    return {
      ...hiding,
      pruneCheckpoints: async (call, prune) => {
        // The newest thread is the one that the clause fills.
        const listing = {
          sessionId: null,
          orderBy: "createdAt",
          direction: "desc",
          limit: 1_000,
          after: null,
        } as const;
        const { rows } = await hiding.listThreads(call, listing);
        for (const { threadId } of rows) await keep(call, threadId);
        return driver.pruneCheckpoints(call, { ...prune, threadId: prune.threadId ?? rows[0]?.threadId ?? null });
      },
    };
  }),

  bytesFault("deleting checkpoints frees nothing", ["K9"], (driver) => {
    const { keep, hiding } = keeping(driver);
    return {
      ...hiding,
      deleteCheckpoints: async (call, threadId, target, fence) => {
        await keep(call, threadId);
        return driver.deleteCheckpoints(call, threadId, target, fence);
      },
    };
  }),

  bytesFault("deleting a thread frees nothing", ["K7"], (driver) => {
    const { keep, hiding } = keeping(driver);
    return {
      ...hiding,
      deleteThread: async (call, threadId) => {
        await keep(call, threadId);
        return driver.deleteThread(call, threadId);
      },
    };
  }),
];
