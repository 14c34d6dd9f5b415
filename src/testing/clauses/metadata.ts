/** Metadata and the values of items are plain JSON, the same on every backend (V2). */
import { runInNewContext } from "node:vm";
import type { JsonObject, MetadataInput } from "../../contract/json.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, madeHere, refused, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { KEPT_METADATA, REFUSED_METADATA } from "../hostile-metadata.js";

/** As code, to be made here or in a context of `node:vm`; the values are many enough to be taken in steps. */
const METADATA = `({ a: { b: [1, { c: null }] }, many: Array.from({ length: 20000 }, (_, i) => [i]) })`;

interface Place {
  readonly name: string;
  readonly put: (storage: StorageBackend, metadata: MetadataInput) => Promise<unknown>;
  readonly get: (storage: StorageBackend) => Promise<unknown>;
}

const PLACES: readonly Place[] = [
  {
    name: "createSession",
    put: (storage, metadata) => storage.createSession("new", "u", { metadata }),
    get: async (storage) => (await storage.getSession("new"))?.metadata,
  },
  {
    name: "batchCreateSessions",
    put: (storage, metadata) =>
      storage.batchCreateSessions([
        { sessionId: "first", userId: "u" },
        { sessionId: "new", userId: "u", metadata },
      ]),
    get: async (storage) => (await storage.getSession("new"))?.metadata,
  },
  {
    name: "updateSession",
    put: (storage, metadata) => storage.updateSession("s", { metadata }),
    get: async (storage) => (await storage.getSession("s"))?.metadata,
  },
  {
    name: "addConversationMessage",
    put: (storage, metadata) => storage.addConversationMessage("s", "user", "a", { metadata }),
    get: async (storage) => (await storage.getConversationHistory("s")).at(-1)?.metadata,
  },
  {
    name: "addConversationMessages",
    put: (storage, metadata) =>
      storage.addConversationMessages("s", [
        { role: "user", content: "a" },
        { role: "user", content: "b", metadata },
      ]),
    get: async (storage) => (await storage.getConversationHistory("s")).at(-1)?.metadata,
  },
  {
    name: "storeCheckpoint",
    put: (storage, metadata) => storage.storeCheckpoint("t", "c", 1, { metadata }),
    get: async (storage) => (await storage.getCheckpoint("t"))?.metadata,
  },
  {
    name: "storeTaskContext",
    put: (storage, metadata) => storage.storeTaskContext("s", 1, { metadata }),
    get: async (storage) => (await storage.getTaskContext("s"))?.metadata,
  },
];

/** Items hold a value where the others hold metadata; an undefined field has no meaning there. */
const ITEM_PLACES: readonly Place[] = [
  {
    name: "putItem",
    put: (storage, value) => storage.putItem(["n"], "k", value as JsonObject),
    get: async (storage) => (await storage.getItem(["n"], "k"))?.value,
  },
  {
    name: "batchItems",
    put: (storage, value) =>
      storage.batchItems([
        { put: { namespace: ["n"], key: "first", value: {} } },
        { put: { namespace: ["n"], key: "k", value: value as JsonObject } },
      ]),
    get: async (storage) => (await storage.getItem(["n"], "k"))?.value,
  },
];

export const metadataClauses: ClauseGroup = clauseGroup("metadata", (clause) => {
  for (const { name, put, get } of [...PLACES, ...ITEM_PLACES]) {
    clause(`V2 ${name} keeps plain JSON exactly, with every key and every scalar`, async ({ storage }) => {
      await storage.createSession("s", "u");
      await put(storage, KEPT_METADATA);
      equal(await get(storage), KEPT_METADATA);
    });

    clause(`V2 ${name} refuses what is not plain JSON, and changes nothing`, async ({ storage }) => {
      await storage.createSession("s", "u");
      await unchanged(storage, async () => {
        for (const [fault, make] of REFUSED_METADATA) await refused(() => put(storage, make() as MetadataInput), fault);
      });
    });

    clause(`V2 ${name} takes plain JSON of another realm as this one's`, async ({ storage }) => {
      await storage.createSession("s", "u");
      await put(storage, runInNewContext(METADATA) as MetadataInput);
      equal(await get(storage), madeHere(METADATA), name);
    });
  }

  for (const { name, put, get } of PLACES) {
    clause(`V2 ${name} takes metadata of a mebibyte and refuses more`, async ({ storage }) => {
      await storage.createSession("s", "u");
      const bytes = (size: number): MetadataInput => ({ a: "\u00e9".repeat((size - 8) / 2) });
      await unchanged(storage, () => refused(() => put(storage, bytes(1_048_578))));
      await put(storage, bytes(1_048_576));
      equal(await get(storage), bytes(1_048_576));
    });

    clause(`V2 ${name} treats a key whose value is undefined as absent`, async ({ storage }) => {
      await storage.createSession("s", "u");
      await put(storage, { a: 1, b: undefined });
      equal(await get(storage), { a: 1 });
    });
  }

  clause("V2 metadata that is not given is an empty object", async ({ storage }) => {
    equal((await storage.createSession("s", "u")).metadata, {});
    equal((await storage.addConversationMessage("s", "user", "a")).metadata, {});
    equal((await storage.storeCheckpoint("t", "c", 1)).metadata, {});
    equal((await storage.storeTaskContext("s", 1)).metadata, {});
  });

  clause("V2 metadata comes back in the result of the write too", async ({ storage }) => {
    const metadata = { a: [1, { b: null }] };
    equal((await storage.createSession("s", "u", { metadata })).metadata, metadata);
    equal((await storage.addConversationMessage("s", "user", "a", { metadata })).metadata, metadata);
    equal((await storage.storeCheckpoint("t", "c", 1, { metadata })).metadata, metadata);
    equal((await storage.storeTaskContext("s", 1, { metadata })).metadata, metadata);
    equal((await storage.putItem(["n"], "k", metadata)).value, metadata);
  });
});
