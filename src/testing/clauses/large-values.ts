/** Large values, which a backend may encode, store and read in many steps: they are stored as they were, whole, or not at all (V1, K1). */
import { isDeepStrictEqual } from "node:util";
import type { ContentPart } from "../../contract/conversation-storage.js";
import type { SerializationError } from "../../contract/errors.js";
import type { StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, present, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

/** A place where values are stored. */
interface Surface {
  readonly name: string;
  readonly put: (storage: StorageBackend, value: unknown) => Promise<unknown>;
  readonly get: (storage: StorageBackend) => Promise<unknown>;
}

const SURFACES: readonly Surface[] = [
  {
    name: "a message",
    put: (storage, value) => storage.addConversationMessage("s", "user", [{ type: "data", value }]),
    get: async (storage) => {
      const message = present((await storage.getConversationHistory("s", { limit: 1 }))[0], "the message");
      return (message.content[0] as ContentPart).value;
    },
  },
  {
    name: "a checkpoint",
    put: (storage, value) => storage.storeCheckpoint("t", "c", value),
    get: async (storage) => present(await storage.getCheckpoint("t"), "the checkpoint").data,
  },
  {
    name: "a write",
    put: (storage, value) => storage.putWrites("t", "c", "task", [["channel", value]], { overwrite: true }),
    get: async (storage) => present((await storage.getWrites("t", "c"))[0], "the write").value,
  },
  {
    name: "a task context",
    put: (storage, value) => storage.storeTaskContext("s", value),
    get: async (storage) => present(await storage.getTaskContext("s"), "the context").context,
  },
];

/** Characters that a cut in the middle of them would spoil, at places that no step's length divides. */
const HARD_TO_CUT = '\ud83d\ude00\\"\n\u0000é日\u2028\ud83d \\u0041\ude00';

const hardText = (length: number): string => HARD_TO_CUT.repeat(Math.ceil(length / HARD_TO_CUT.length));

/** A state whose every part can be changed; a new one each time. */
function changeable() {
  return {
    messages: times(1_500, (i) => ({ role: "user", content: `${i} `.repeat(150), usage: { tokens: i } })),
    bytes: new Uint8Array(300_000).fill(7),
    floats: Float64Array.from({ length: 5_000 }, (_, i) => i / 3),
    map: new Map([["a", [1]]]),
    set: new Set([{ a: 1 }]),
    date: new Date(0),
    absent: undefined as unknown,
    text: hardText(700_000),
  };
}

function change(value: ReturnType<typeof changeable>): void {
  value.bytes.fill(8);
  value.floats.reverse();
  value.map.get("a")?.push(2);
  value.map.set("b", []);
  for (const each of value.set) each.a = 2;
  value.date.setTime(1);
  value.absent = 1;
  for (const message of value.messages) {
    message.content = "";
    message.usage.tokens = -1;
  }
  value.messages.length = 3;
  value.text = "";
}

/** Large values that nobody changes, by name. */
const LARGE_VALUES: readonly (readonly [name: string, make: () => unknown])[] = [
  ["a long text of characters of all lengths, escapes and lone surrogates", () => hardText(1_500_000)],
  [
    "a text of several megabytes in one object",
    () => ({ before: [1], text: "x".repeat(4_500_000), behind: { a: null } }),
  ],
  ["very many small objects", () => times(50_000, (i) => ({ id: i, on: i % 2 === 0, at: [i / 3, `${i}`] }))],
  ["objects inside each other, each large", () => nestedLarge(6)],
  [
    "an object with very many keys, `__proto__` and keys like our tags among them",
    () =>
      JSON.parse(`{"__proto__":{"a":1},"$":"Date","value":1,${times(65_000, (i) => `"k\\n${i}":"${i} é"`).join(",")}}`),
  ],
  [
    "a Map and a Set of thousands",
    () => new Map(times(7_000, (i) => [`key ${i}`, new Set([i, BigInt(i), new Date(i), hardText(60)])])),
  ],
  [
    "long bytes in each kind of view",
    () => {
      const bytes = Uint8Array.from({ length: 400_008 }, (_, i) => i * 7);
      return [
        bytes,
        bytes.buffer,
        new Float32Array(bytes.buffer),
        new DataView(bytes.buffer, 1),
        new BigInt64Array(bytes.buffer),
      ];
    },
  ],
];

function nestedLarge(levels: number): unknown {
  return levels === 0 ? [] : { text: hardText(200_000), inside: [levels, nestedLarge(levels - 1)], behind: undefined };
}

/** Values with as many parts as one may have, whose portable form has more of them. */
const MOST_PARTS: readonly (readonly [name: string, make: () => unknown])[] = [
  ["`undefined`", () => new Array(119_990).fill(undefined)],
  ["bigints", () => times(59_990, (i) => BigInt(i))],
  ["entries of a Map", () => new Map(times(59_990, (i) => [i, -i || null]))],
  ["objects with a key like our tags", () => times(59_990, (i) => ({ $: i }))],
];

export const largeValueClauses: ClauseGroup = clauseGroup("large values", (clause) => {
  for (const surface of SURFACES) {
    clause(
      `V1 a large value is stored in ${surface.name} as it was at the moment of the call, whatever becomes of it since`,
      async ({ storage }) => {
        await storage.createSession("s", "u");
        const value = changeable();
        const stored = surface.put(storage, value);
        change(value);
        await stored;
        same(await surface.get(storage), changeable(), surface.name);
      },
    );
  }

  for (const [name, make] of LARGE_VALUES) {
    clause(`V1 ${name}: a large value comes back deep-equal wherever it stands`, async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const value = make();
        await surface.put(storage, value);
        same(await surface.get(storage), value, surface.name);
      }
      const [listed] = await storage.listCheckpoints("t", { data: true, writes: true });
      same([listed?.data, listed?.writes?.[0]?.value], [make(), make()], "a listed checkpoint and its write");
    });
  }

  clause("V1 changing what was returned of a large value changes nothing stored", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const surface of SURFACES) {
      await surface.put(storage, changeable());
      change((await surface.get(storage)) as ReturnType<typeof changeable>);
      same(await surface.get(storage), changeable(), surface.name);
    }
  });

  clause(
    "V1 a large value with a part that cannot be kept is refused with its path, and nothing is stored",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const value = { ...changeable(), last: [1, { f: () => 0 }] };
        const error = await unchanged(storage, () =>
          rejects("SERIALIZATION", () => surface.put(storage, value), surface.name),
        );
        const { path } = error as SerializationError;
        ok(path.endsWith(".last[1].f"), `the path in ${surface.name} is ${path}`);
      }
    },
  );

  for (const [name, last, refused] of [
    ["more than 120,000 arrays and objects", () => times(120_000, () => []), ".last["],
    ["more than 1,500,000 elements and properties", () => new Array(1_500_001).fill(0), ".last"],
    ["a symbol key among many objects", () => [...times(20_000, (i) => ({ i })), { [Symbol("s")]: 1 }], ".last[20000]"],
    ["a hidden symbol key among many objects", () => [...times(20_000, (i) => ({ i })), hidden()], ".last[20000]"],
    [
      "further properties of one of many arrays",
      () => [...times(20_000, (i) => [i]), Object.assign([1], { index: 0 })],
      ".last[20000]",
    ],
  ] as const) {
    clause(`V1 a value with ${name} is refused with its path, and nothing is stored`, async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const error = await unchanged(storage, () =>
          rejects("SERIALIZATION", () => surface.put(storage, { last: last() }), surface.name),
        );
        const { path } = error as SerializationError;
        ok(path.includes(refused), `the path in ${surface.name} is ${path}`);
      }
    });
  }

  for (const [name, make] of MOST_PARTS) {
    clause(`P1 as many ${name} as a value may have are exported and imported as they were`, async ({ storage }) => {
      const value = make();
      await storage.storeCheckpoint("t", "c", value);
      const records: StorageRecord[] = [];
      for await (const record of storage.exportRecords()) records.push(record);
      await storage.deleteThread("t");
      await storage.importRecords(records);
      same(present(await storage.getCheckpoint("t"), "the checkpoint").data, value, "what was imported");
    });
  }

  clause(
    "K1 who reads while a large state is stored again and again sees one of the states, whole",
    async ({ storage }) => {
      const stateOf = (i: number): unknown => ({
        first: i,
        text: `${i} é`.repeat(300_000),
        list: times(3_000, () => ({ i })),
        last: i,
      });
      await storage.storeCheckpoint("t", "c", stateOf(0));
      let isOver = false;
      const storing = (async () => {
        for (let i = 1; i <= 3; i++) await storage.storeCheckpoint("t", "c", stateOf(i));
      })().finally(() => {
        isOver = true;
      });
      // Its failure is told below; until then nobody waits for it.
      storing.catch(() => undefined);
      for (let rounds = 0; !isOver && rounds < 40; rounds++) {
        const { data } = present(await storage.getCheckpoint("t"), "the checkpoint");
        same(data, stateOf((data as { readonly first: number }).first), "the state that was read");
      }
      await storing;
      same(present(await storage.getCheckpoint("t"), "the checkpoint").data, stateOf(3), "the last state");
      equal((await storage.listCheckpoints("t")).length, 1);
    },
  );

  clause(
    "K8 of large states that expect the same head one is stored, and the others change nothing",
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "c0", 0);
      const states = times(3, (i) => ({ i, text: `${i}`.repeat(1_500_000), none: undefined }));
      const results = await Promise.allSettled(
        states.map((state, i) => storage.storeCheckpoint("t", `c${i + 1}`, state, { expectedHead: "c0" })),
      );
      const stored = results.findIndex(({ status }) => status === "fulfilled");
      equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      const head = present(await storage.getCheckpoint("t"), "the checkpoint");
      equal(head.checkpointId, `c${stored + 1}`);
      same(head.data, states[stored], "the state of the head");
      equal((await storage.listCheckpoints("t")).length, 2);
    },
  );
});

function hidden(): object {
  return Object.defineProperty({}, Symbol("s"), { value: 1 });
}

/** Without a look at how they differ, which of large values nobody could read. */
function same(actual: unknown, expected: unknown, what: string): void {
  ok(isDeepStrictEqual(actual, expected), `${what} is the value that was stored`);
}
