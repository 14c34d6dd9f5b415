// Splitting and restoring states: exact for every history of edits, damage is told, and what is stored follows what is new.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptionError, UnsupportedError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue } from "../../../src/domain/codec/codec.js";
import { markBlocks, type ReadBlocks, restoreState } from "../../../src/domain/segments/restore.js";
import { splitState } from "../../../src/domain/segments/split.js";
import { prose } from "./prose.js";

/** A thread's blocks, as a store keeps them. */
class Store {
  readonly blocks = new Map<string, Uint8Array>();
  bytes = 0;

  add(text: string): string {
    const state = splitState(text);
    for (const { name, data, children } of state.newBlocks((stored) => this.blocks.has(stored))) {
      expect(this.blocks.has(name)).toBe(false);
      this.blocks.set(name, data);
      this.bytes += data.length;
      for (const child of children) expect(child).toMatch(/^[0-9a-f]{32}$/);
    }
    this.bytes += state.manifest.length;
    return state.manifest;
  }

  read(manifest: string): string {
    return restoreState(manifest, (names) => names.map((name) => this.blocks.get(name)));
  }
}

type Message = { id: number; content: string };

const text = (seed: number, length = 1_500): string => prose(seed, length);
const message = (i: number): Message => ({ id: i, content: text(i) });

type Edit = (messages: readonly Message[], at: number, seed: number) => Message[];
const EDITS: Record<string, Edit> = {
  append: (list, _at, seed) => [...list, message(seed)],
  appendMany: (list, _at, seed) => [...list, ...Array.from({ length: 20 }, (_, i) => message(seed + i))],
  insert: (list, at, seed) => list.toSpliced(at, 0, message(seed)),
  removeFirst: (list) => list.slice(1),
  slide: (list, _at, seed) => [...list.slice(1), message(seed)],
  edit: (list, at, seed) => list.map((each, i) => (i === at ? { ...each, content: text(seed, 40) } : each)),
  remove: (list, at) => list.toSpliced(at, 1),
  rotate: (list, at) => [...list.slice(at), ...list.slice(0, at)],
  reverse: (list) => list.toReversed(),
  replaceAll: (list, _at, seed) => list.map((_, i) => message(seed + i)),
  clear: () => [],
};

describe("any history of edits", () => {
  it("is restored byte for byte, and what is stored once is not stored again", { timeout: 60_000 }, () => {
    const step = fc.tuple(fc.constantFrom(...Object.keys(EDITS)), fc.nat(1_000), fc.nat(1_000_000));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), fc.boolean(), (steps, wrapped) => {
        const store = new Store();
        let messages: Message[] = [];
        const kept: [manifest: string, text: string][] = [];
        for (const [name, at, seed] of steps) {
          messages = (EDITS[name] as Edit)(messages, messages.length === 0 ? 0 : at % messages.length, seed);
          const state = wrapped
            ? { v: 4, id: seed, channel_values: { messages, n: at }, versions: { messages: seed } }
            : { messages };
          const encoded = encodeValue(state);
          kept.push([store.add(encoded), encoded]);
        }
        for (const [manifest, encoded] of kept) expect(store.read(manifest)).toBe(encoded);
      }),
      { numRuns: 40 },
    );
  });

  it("of any values too", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, maxDepth: 3 }), {
          maxLength: 30,
        }),
        fc.nat(40),
        (values, copies) => {
          const list = Array.from({ length: copies }, () => values);
          const encoded = encodeValue(list.flat().filter((value) => !isRefused(value)));
          const store = new Store();
          expect(store.read(store.add(encoded))).toBe(encoded);
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each<[string, unknown]>([
    ["bytes", new Uint8Array(300_000).map((_, i) => (i * i) >> 3)],
    ["zeros", new Uint8Array(300_000)],
    ["thousands of small keys", Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key ${i}`, i]))],
    ["letters of many bytes", "漢字 \u{1f600} é ".repeat(20_000)],
    ["nested lists", { a: { b: [{ c: Array.from({ length: 300 }, (_, i) => message(i)) }] } }],
    ["text that looks like a manifest", `@1 0 5 ${"0".repeat(32)}`.repeat(200)],
  ])("%s", (_name, value) => {
    const store = new Store();
    const encoded = encodeValue(value);
    const manifest = store.add(encoded);
    expect(store.read(manifest)).toBe(encoded);
    expect(decodeValue(store.read(manifest))).toEqual(value);
    const { blocks } = store;
    expect(store.add(encoded)).toBe(manifest);
    expect(store.blocks.size).toBe(blocks.size);
  });

  it("a string of 60 MB", { timeout: 60_000 }, () => {
    const store = new Store();
    const encoded = encodeValue({ file: text(1, 1 << 20).repeat(60), n: 1 });
    const manifest = store.add(encoded);
    expect(store.read(manifest) === encoded).toBe(true);
    const before = store.bytes;
    store.add(encoded.replace(/1}$/, "2}"));
    expect(store.bytes - before).toBeLessThan(600_000);
  });

  it("small states stay in the row", () => {
    const encoded = encodeValue({ plan: ["search", "book"] });
    expect(splitState(encoded)).toMatchObject({ manifest: encoded, root: null });
    expect(restoreState(encoded, () => [])).toBe(encoded);
  });
});

function isRefused(value: unknown): boolean {
  try {
    encodeValue(value);
    return false;
  } catch {
    return true;
  }
}

describe("what is stored (K4)", () => {
  const growth = (
    turns: number,
    state: (messages: Message[], turn: number) => unknown,
    keep = Number.POSITIVE_INFINITY,
  ) => {
    const store = new Store();
    const last: number[] = [];
    let messages: Message[] = [];
    for (let turn = 0; turn < turns; turn++) {
      messages = [...messages, message(turn)].slice(-keep);
      const before = store.bytes;
      store.add(encodeValue(state(messages, turn)));
      last.push(store.bytes - before);
    }
    return { ratio: store.bytes / (turns * 1_500), late: last.slice(-50).reduce((a, b) => a + b, 0) / 50 };
  };

  it("of a growing list is a small multiple of its text, however long it is", { timeout: 60_000 }, () => {
    const { ratio, late } = growth(1_000, (messages) => ({ messages }));
    expect(ratio).toBeLessThan(2.5);
    expect(late).toBeLessThan(5_000);
  });

  it("of a growing list between values that change is one too", { timeout: 60_000 }, () => {
    const { ratio } = growth(500, (messages, turn) => ({
      v: 4,
      id: text(turn, 30),
      channel_values: { messages },
      versions: { turn },
    }));
    expect(ratio).toBeLessThan(3.5);
  });

  it("of a window that slides is one too", { timeout: 60_000 }, () => {
    expect(growth(500, (messages) => ({ messages }), 100).ratio).toBeLessThan(3.5);
  });

  it.each<[string, Edit, number]>([
    ["an edit in the middle", EDITS.edit as Edit, 12_000],
    ["an insertion in the middle", EDITS.insert as Edit, 12_000],
    ["a removal at the front", EDITS.removeFirst as Edit, 12_000],
    ["a rotation", EDITS.rotate as Edit, 20_000],
  ])("of %s is what is around it", (_name, edit, limit) => {
    const store = new Store();
    const messages = Array.from({ length: 300 }, (_, i) => message(i));
    store.add(encodeValue({ messages }));
    const before = store.bytes;
    store.add(encodeValue({ messages: edit(messages, 150, 9_999) }));
    expect(store.bytes - before).toBeLessThan(limit);
  });
});

describe("damage (K5)", () => {
  const store = new Store();
  const manifest = store.add(encodeValue({ messages: Array.from({ length: 60 }, (_, i) => message(i)) }));
  const names = [...store.blocks.keys()];
  const reading = (change: (name: string, data: Uint8Array) => Uint8Array | undefined) => () =>
    restoreState(manifest, (all) => all.map((name) => change(name, store.blocks.get(name) as Uint8Array)));

  it("of any block is told, wherever it is", () => {
    for (const victim of names) {
      const only = (change: (data: Uint8Array) => Uint8Array | undefined) =>
        reading((name, data) => (name === victim ? change(data) : data));
      expect(only(() => undefined)).toThrow(CorruptionError);
      expect(only(() => new Uint8Array())).toThrow(CorruptionError);
      expect(only((data) => data.subarray(0, -1))).toThrow(CorruptionError);
      expect(only((data) => data.map((byte, i) => (i === data.length >> 1 ? byte ^ 1 : byte)))).toThrow(
        CorruptionError,
      );
      const other = store.blocks.get(names[(names.indexOf(victim) + 1) % names.length] as string);
      expect(only(() => other)).toThrow(CorruptionError);
    }
  });

  it("of a manifest is told", () => {
    const read: ReadBlocks = (names) => names.map((name) => store.blocks.get(name));
    const [version, bytes, name] = manifest.slice(1).split(" ");
    for (const damaged of [
      "@",
      manifest.slice(0, -1),
      `@0 ${bytes} ${name}`,
      `@${version} ${Number(bytes) - 1} ${name}`,
      `@${version} ${Number(bytes) + 1} ${name}`,
      `@${version} 0 ${bytes} ${name}`,
      `@${version} ${bytes} ${names.at(-1)}`,
    ]) {
      expect(() => restoreState(damaged, read), damaged).toThrow(CorruptionError);
    }
  });

  it("is not claimed of what a newer version has written", () => {
    const newer = reading((_name, data) => Uint8Array.of(200, ...data.subarray(1)));
    expect(newer).toThrow(UnsupportedError);
    expect(() => restoreState(manifest.replace("@1", "@2"), () => [])).toThrow(UnsupportedError);
  });
});

describe("marking", () => {
  it("finds exactly the blocks that states need, and reads no text for it", () => {
    const store = new Store();
    const all = Array.from({ length: 200 }, (_, i) => message(i));
    const manifests = [50, 100, 200].map((count) => store.add(encodeValue({ messages: all.slice(0, count) })));
    const needed = new Set<string>();
    let read = 0;
    for (const manifest of manifests) {
      markBlocks(
        manifest,
        (names) => {
          read += names.length;
          return names.map((name) => store.blocks.get(name));
        },
        needed,
      );
    }
    expect([...needed].sort()).toEqual([...store.blocks.keys()].sort());
    expect(read).toBeLessThan(needed.size / 4);
  });
});
