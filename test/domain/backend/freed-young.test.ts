// What a call gave is freed as soon as nobody holds it: a collection of young objects alone frees it. A function that is written as the
// value of an assignment to a property would keep it, as V8 makes such a function among the old objects.
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { timeout, withLayers } from "../../../src/layers/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { readonly type: "minor" | "major" }) => void;

const CALLS = 100;
const MESSAGES = 50;
const LENGTH = 1_000;

function usedAfterCollectingYoung(): number {
  collect({ type: "minor" });
  collect({ type: "minor" });
  return getHeapStatistics().used_heap_size;
}

it.each(["a storage", "a storage with a timeout layer"])(
  "%s leaves no results behind for a full collection",
  async (which) => {
    const plain = memoryStorage();
    const storage = which === "a storage" ? plain : withLayers(plain, [timeout({ timeoutMs: 60_000 })]);
    await storage.createSession("s", "ada");
    const messages = Array.from({ length: MESSAGES }, () => ({ role: "user", content: "x".repeat(LENGTH) }));
    await storage.addConversationMessages("s", messages);
    const read = async (): Promise<void> => {
      for (let i = 0; i < CALLS; i++) await storage.getConversationHistory("s", { limit: MESSAGES });
    };
    await read();
    collect({ type: "major" });
    const before = usedAfterCollectingYoung();
    await read();
    expect(usedAfterCollectingYoung() - before).toBeLessThan((CALLS * MESSAGES * LENGTH) / 4);
    await storage.close();
  },
);
