// Blocks of a thread's states: kept once, and gone with the last state that needs them (K4, K6).
import { expect, it } from "vitest";
import { Blocks } from "../../../src/backends/memory/blocks.js";
import { checkpointVerbs } from "../../../src/backends/memory/checkpoints.js";
import { threadVerbs } from "../../../src/backends/memory/threads.js";
import { encodeValue } from "../../../src/domain/codec/codec.js";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import { prose } from "../../domain/segments/prose.js";
import { driverCall, emptyStore } from "./driver-call.js";

const state = (count: number, from = 0): string =>
  encodeValue(Array.from({ length: count }, (_, i) => ({ id: from + i, content: prose(from + i, 1_500) })));

it("nothing is left when all states are released, in any order", () => {
  const states = [10, 11, 30, 10, 12, 60].map((count, i) => state(count, i === 2 ? 500 : 0));
  for (const order of [states.keys(), [...states.keys()].reverse(), [3, 0, 5, 1, 4, 2]]) {
    const blocks = new Blocks();
    const manifests = states.map((text) => blocks.add(text));
    const left = new Set(states.keys());
    for (const i of order) {
      blocks.release(manifests[i] as string);
      left.delete(i);
      for (const each of left) expect(blocks.read(manifests[each] as string) === states[each]).toBe(true);
    }
    expect(blocks.size).toBe(0);
  }
});

it("a copy has a fate of its own", () => {
  const [blocks, copy] = [new Blocks(), new Blocks()];
  const manifest = blocks.add(state(20));
  for (const _step of blocks.copyTo(copy));
  blocks.release(manifest);
  expect(blocks.size).toBe(0);
  expect(() => blocks.read(manifest)).toThrow(expect.objectContaining({ code: "CORRUPTION" }));
  expect(copy.read(manifest)).toBe(state(20));
  copy.release(manifest);
  expect(copy.size).toBe(0);
});

it("a state that the caller has is not read (K5)", async () => {
  const store = emptyStore();
  const call = driverCall();
  const fields = { namespace: "", checkpointId: "c", parentId: null, sessionId: null, metadata: "{}" };
  const data = EncodedText.of(state(20));
  const checkpoint = { ...fields, needsParent: false, data, sizeBytes: data.bytes, expectedHead: undefined };
  const { etag } = await checkpointVerbs(store).storeCheckpoint(call, "t", checkpoint, null);
  const wanted = { namespace: "", checkpointId: null, writes: false, ifNoneMatch: etag };
  expect(await checkpointVerbs(store).getCheckpoint(call, "t", wanted)).toMatchObject({ etag, data: null });
  expect(etag).toMatch(/^[0-9a-f]{32}$/);
});

it("a thread has the blocks of its states and no others, after replacing and pruning too", async () => {
  const store = emptyStore();
  const call = driverCall();
  const put = (checkpointId: string, data: string): Promise<unknown> => {
    const fields = { namespace: "", parentId: null, sessionId: null, metadata: "{}", needsParent: false };
    const checkpoint = {
      ...fields,
      checkpointId,
      data: EncodedText.of(data),
      sizeBytes: data.length,
      expectedHead: undefined,
    };
    return checkpointVerbs(store).storeCheckpoint(call, "t", checkpoint, null);
  };
  const size = (): number | undefined => store.tenants.get("default")?.threads.get("t")?.blocks.size;
  const alone = new Blocks();
  alone.add(state(20));

  for (let i = 0; i < 5; i++) await put(`c${i}`, state(20, i * 100));
  expect(size()).toBeGreaterThan(4 * alone.size);
  for (let i = 0; i < 5; i++) await put(`c${i}`, state(20));
  expect(size()).toBe(alone.size);
  await put("last", state(20, 700));
  const rule = { threadId: null, keepLast: 2, maxAgeMs: null, dryRun: false };
  await threadVerbs(store).pruneCheckpoints(call, rule);
  await put("last", "1");
  expect(size()).toBe(alone.size);
  await threadVerbs(store).pruneCheckpoints(call, { ...rule, keepLast: 1 });
  expect(size()).toBe(0);
});
