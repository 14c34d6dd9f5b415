/** Values round-trip deep-equal or are refused before anything is stored, the same wherever they stand (V1, V3). */
import { runInNewContext } from "node:vm";
import type { ContentPart } from "../../contract/conversation-storage.js";
import type { SerializationError, StorageErrorCode } from "../../contract/errors.js";
import { isStorageError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, madeHere, ok, present, recordsOf, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import {
  KEPT_OR_REFUSED_VALUES,
  KEPT_VALUES,
  REFUSED_COLLECTIONS,
  REFUSED_VALUES,
  TAG_LIKE_VALUES,
} from "../hostile-values.js";
import { valueDifference } from "../value-difference.js";

/** What a program holds that a context of `node:vm` was given, as code that makes it there or here. */
const PLAIN_DATA = `({
  object: { a: [1, "two", null, [true]], b: {} },
  array: [{ c: [] }],
  date: new Date(5),
  map: new Map([["k", { d: new Date(6) }]]),
  set: new Set([[1]]),
  pattern: /x+/g,
  error: Object.assign(new TypeError("wrong"), { stack: "", code: "E1", at: { line: 1 } }),
  bytes: { view: new Float32Array([1, 2]), part: new Uint8Array([1, 2, 3]).subarray(1), memory: new ArrayBuffer(2), data: new DataView(new ArrayBuffer(1)) },
  tagged: { $: "Date", $waystone: 1, value: "x" },
  large: Array.from({ length: 20000 }, (_, i) => ({ i, of: [i] })),
})`;

/** A place where values are stored. */
interface Surface {
  readonly name: string;
  /** Where the value stands in what is encoded there. */
  readonly root: string;
  readonly put: (storage: StorageBackend, value: unknown) => Promise<unknown>;
  readonly get: (storage: StorageBackend) => Promise<unknown>;
}

const SURFACES: readonly Surface[] = [
  {
    name: "a message",
    root: "$[0].value",
    put: (storage, value) => storage.addConversationMessage("s", "user", [{ type: "data", value }]),
    get: async (storage) => {
      const message = present(lastOf(await storage.getConversationHistory("s")), "the message");
      return (message.content[0] as ContentPart).value;
    },
  },
  {
    name: "a checkpoint",
    root: "$",
    put: (storage, value) => storage.storeCheckpoint("t", "c", value),
    get: async (storage) => present(await storage.getCheckpoint("t"), "the checkpoint").data,
  },
  {
    name: "a write",
    root: "$",
    put: (storage, value) => storage.putWrites("t", "c", "task", [["channel", value]], { overwrite: true }),
    get: async (storage) => lastOf(await storage.getWrites("t", "c"))?.value,
  },
  {
    name: "a task context",
    root: "$",
    put: (storage, value) => storage.storeTaskContext("s", value),
    get: async (storage) => present(await storage.getTaskContext("s"), "the context").context,
  },
];

export const valueClauses: ClauseGroup = clauseGroup("values", (clause) => {
  for (const [name, make] of KEPT_VALUES) {
    clause(
      `V1 ${name} comes back deep-equal from a message, a checkpoint, a write and a task context`,
      async ({ storage }) => {
        await storage.createSession("s", "u");
        // An error's stack is of the place where it is made: one value for all.
        const value = make();
        for (const surface of SURFACES) {
          await surface.put(storage, value);
          same(await surface.get(storage), value, surface.name);
        }
      },
    );
  }

  clause("V1 plain data of another realm is taken as this one's, and its classes are refused", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const surface of SURFACES) {
      await surface.put(storage, runInNewContext(PLAIN_DATA));
      same(await surface.get(storage), madeHere(PLAIN_DATA), surface.name);
      for (const of of ["class Foreign {}", "class Map {}", "class Foreign extends Array {}"]) {
        const instance: unknown = runInNewContext(`({ a: new (${of})() })`);
        await rejects("SERIALIZATION", () => surface.put(storage, instance), `${of} in ${surface.name}`);
      }
    }
  });

  for (const [name, make, path] of REFUSED_VALUES) {
    clause(`V1 ${name} is refused with its path, and nothing is stored`, async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const error = await unchanged(storage, () =>
          rejects("SERIALIZATION", () => surface.put(storage, make()), surface.name),
        );
        equal(
          (error as SerializationError).path,
          path.replace("$", surface.root),
          `the path of ${name} in ${surface.name}`,
        );
        ok(
          error.message.startsWith(`${(error as SerializationError).path}: `),
          `the message begins with the path: ${error.message}`,
        );
      }
    });
  }

  for (const [name, make] of REFUSED_COLLECTIONS) {
    clause(`V1 ${name} is refused with a path, and nothing is stored`, async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const error = await unchanged(storage, () =>
          rejects("SERIALIZATION", () => surface.put(storage, make()), surface.name),
        );
        ok((error as SerializationError).path.startsWith("$"), `the path is ${(error as SerializationError).path}`);
      }
    });
  }

  for (const [name, make] of KEPT_OR_REFUSED_VALUES) {
    clause(
      `V1 ${name} is kept exactly or refused, never changed, and the verdict is the same everywhere`,
      async ({ storage }) => {
        await storage.createSession("s", "u");
        const verdicts: (StorageErrorCode | "kept")[] = [];
        for (const surface of SURFACES) verdicts.push(await keptOrRefused(storage, surface, make()));
        equal(
          verdicts,
          SURFACES.map(() => verdicts[0]),
        );
      },
    );
  }

  for (const [name, make] of TAG_LIKE_VALUES) {
    clause(`V3 user data with ${name} comes back as it was`, async ({ storage }) => {
      await storage.createSession("s", "u");
      for (const surface of SURFACES) {
        const value = make();
        await surface.put(storage, value);
        same(await surface.get(storage), value, surface.name);
      }
    });
  }

  clause(
    "V3 user data in the very form that the store writes comes back as it was, also when that is done again",
    async ({ storage }) => {
      let value: unknown = KEPT_VALUES.filter(([name]) => !name.includes("megabyte")).map(([, make]) => make());
      for (let round = 0; round < 3; round++) {
        await storage.storeCheckpoint("t", "c", value);
        same(present(await storage.getCheckpoint("t"), "the checkpoint").data, value, `round ${round}`);
        const record = (await recordsOf(storage, { kinds: ["checkpoint"] }))[0];
        value = record?.kind === "checkpoint" ? record.data : undefined;
      }
    },
  );

  clause("V3 an own key __proto__ is a plain key and changes no prototype", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const surface of SURFACES) {
      await surface.put(storage, JSON.parse('{"__proto__":{"polluted":true},"a":{"__proto__":null}}'));
      const value = (await surface.get(storage)) as { a: object };
      equal(Object.getPrototypeOf(value), Object.prototype, surface.name);
      equal(Object.keys(value).sort(), ["__proto__", "a"], surface.name);
      equal(Object.keys(value.a), ["__proto__"], surface.name);
      equal(({} as { polluted?: unknown }).polluted, undefined, "the prototype of all objects");
    }
  });

  clause(
    "V1 one value with an unstorable part refuses the whole call, also in a list of messages and of writes",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      const bad = [{ type: "data", value: { f: () => 1 } }];
      await unchanged(storage, async () => {
        await rejects(
          "SERIALIZATION",
          storage.addConversationMessages("s", [
            { role: "user", content: "fine" },
            { role: "user", content: bad },
          ]),
        );
        await rejects(
          "SERIALIZATION",
          storage.putWrites("t", "c", "task", [
            ["a", 1],
            ["b", Symbol("s")],
          ]),
        );
      });
      equal(await storage.getWrites("t", "c"), []);
    },
  );

  clause("V1 a value that was large or deep takes nothing from the ones after it", async ({ storage }) => {
    await storage.createSession("s", "u");
    for (const make of [() => "x".repeat(4_000_000), () => Array.from({ length: 100_000 }, (_, i) => i)]) {
      const value = make();
      await storage.storeCheckpoint("t", "c", value);
      same(present(await storage.getCheckpoint("t"), "the checkpoint").data, value, "a large value");
    }
    await storage.storeCheckpoint("t", "c", { small: true });
    equal((await storage.getCheckpoint("t"))?.data, { small: true });
  });
});

function same(actual: unknown, expected: unknown, where: string): void {
  const difference = valueDifference(actual, expected);
  ok(difference === undefined, `in ${where}: ${difference}`);
}

/** Stores the value and compares, or sees that it is refused with nothing stored. */
async function keptOrRefused(
  storage: StorageBackend,
  surface: Surface,
  value: unknown,
): Promise<StorageErrorCode | "kept"> {
  const before = await recordsOf(storage);
  try {
    await surface.put(storage, value);
  } catch (error) {
    ok(isStorageError(error), `${surface.name} rejects with ${String(error)}, which is no storage error`);
    equal(error.code, "SERIALIZATION", `the code in ${surface.name}`);
    equal(await recordsOf(storage), before, "the records after a refusal");
    return error.code;
  }
  same(await surface.get(storage), value, surface.name);
  return "kept";
}

function lastOf<T>(list: readonly T[]): T | undefined {
  return list.at(-1);
}
