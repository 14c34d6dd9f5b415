/** What states cost where the metrics say how many bytes are stored, and that what is removed gives its space back (K4, K6, K9). */
import { setTimeout as wait } from "node:timers/promises";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { ok, present, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

/** Bytes of one message of a state: it has nothing in common with others, and cannot be compressed to less than three quarters. */
const MESSAGE_BYTES = 1_000;

/** Messages that a state begins with, and steps of which each brings a new one. */
const MESSAGES = 150;

/** How much more than the new text may be stored: for rows, indexes, pages that are half full, and what is cut anew around a change. */
const MOST_OVERHEAD = 16;

/** How long a store may take to give space back. */
const FREED_WITHIN_MS = 10_000;

type Step = (messages: readonly string[], added: string) => readonly string[];

const STEPS: readonly (readonly [name: string, step: Step])[] = [
  ["a list that grows", (messages, added) => [...messages, added]],
  ["a window that slides", (messages, added) => [...messages.slice(1), added]],
  ["a list that is changed in its middle", (messages, added) => messages.with(messages.length >> 1, added)],
  ["a list that grows at its front", (messages, added) => [added, ...messages]],
];

export const storedBytesClauses: ClauseGroup = clauseGroup("stored bytes", (clause) => {
  for (const [name, step] of STEPS) {
    clause(
      `K4 the states of ${name} take bytes for what is new in each, and not for the whole again`,
      { needs: ["storedBytes"], timeoutMs: 60_000 },
      async ({ storage }) => {
        let messages: readonly string[] = times(MESSAGES, (i) => text(i, MESSAGE_BYTES));
        await storage.storeCheckpoint("t", "base", { messages });
        const sizes = [await storedBytes(storage)];
        for (const half of [0, 1]) {
          for (const i of times(MESSAGES / 2, (each) => each)) {
            const number = MESSAGES + half * MESSAGES + i;
            messages = step(messages, text(number, MESSAGE_BYTES));
            await storage.storeCheckpoint("t", `c${number}`, { messages, step: number });
          }
          sizes.push(await storedBytes(storage));
        }
        const [first = 0, middle = 0, last = 0] = sizes;
        const added = MESSAGES * MESSAGE_BYTES;
        ok(last - first <= added * MOST_OVERHEAD, `${last - first} bytes are stored for ${added} bytes that are new`);
        // Growth that is quadratic in the length takes more in the second half; half of the text is slack for whole pages.
        const most = (middle - first) * 1.6 + added / 2;
        ok(last - middle <= most, `the second half takes ${last - middle} bytes, the first one ${middle - first}`);
      },
    );
  }

  const removals: readonly (readonly [name: string, remove: (storage: StorageBackend) => Promise<unknown>])[] = [
    ["K6 pruning", (storage) => storage.pruneCheckpoints({ keepLast: 1 })],
    [
      "K9 deleting checkpoints",
      (storage) =>
        storage.deleteCheckpoints(
          "t",
          times(60, (i) => `c${i}`),
        ),
    ],
    ["K7 deleting a thread", (storage) => storage.deleteThread("t")],
  ];
  for (const [name, remove] of removals) {
    clause(
      `${name} gives the space of its states back`,
      { needs: ["freedBytes"], timeoutMs: 60_000 },
      async ({ storage }) => {
        await storage.storeCheckpoint("other", "c", 1);
        const empty = await storedBytes(storage);
        for (const i of times(61, (each) => each)) await storage.storeCheckpoint("t", `c${i}`, text(i, 20_000));
        const full = await storedBytes(storage);
        await remove(storage);
        await assertFreed(storage, empty, full);
      },
    );
  }

  clause(
    "K6 pruning gives the space of states that were replaced back, also where no checkpoint goes",
    { needs: ["freedBytes"], timeoutMs: 60_000 },
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "c", 1);
      const empty = await storedBytes(storage);
      // Few enough blocks that a store may leave them for later.
      await storage.storeCheckpoint("t", "c", text(0, 400_000));
      const full = await storedBytes(storage);
      await storage.storeCheckpoint("t", "c", 2);
      await storage.pruneCheckpoints({ keepLast: 1 });
      await assertFreed(storage, empty, full);
    },
  );
});

async function assertFreed(storage: StorageBackend, empty: number, full: number): Promise<void> {
  const end = performance.now() + FREED_WITHIN_MS;
  let left = await storedBytes(storage);
  // Space may be given back after the call; a half of it must come.
  while (left - empty > (full - empty) / 2 && performance.now() < end) {
    await wait(50);
    left = await storedBytes(storage);
  }
  ok(left - empty <= (full - empty) / 2, `of ${full - empty} bytes ${left - empty} are still stored`);
}

async function storedBytes(storage: StorageBackend): Promise<number> {
  return present((await storage.getMetrics()).sizeBytes, "sizeBytes of the metrics").value;
}

/** So many letters of 64 kinds, in an order that looks random and is the same for each number. */
function text(number: number, length: number): string {
  let state = Math.imul(number + 1, 2_654_435_761) >>> 0 || 1;
  const letters = times(length, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return LETTERS[(state >>> 8) & 63];
  });
  return letters.join("");
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
