// Keys: rings, derived and passed ones, and those that a service wraps.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { encryption } from "../../../src/layers/encryption/encryption.js";
import { type KeyManagement, keyRing, newWrappedKey, wrappedKeyRing } from "../../../src/layers/encryption/key-ring.js";
import { ring, storeWith } from "./rings.js";

/** A key management service in this process, which may be away. */
function service(): KeyManagement & { isAway: boolean; calls: number } {
  const master = randomBytes(32);
  return {
    isAway: false,
    calls: 0,
    async wrap(secret) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", master, nonce);
      return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    },
    async unwrap(wrapped) {
      this.calls += 1;
      if (this.isAway) throw new Error("503");
      const bytes = Buffer.from(wrapped);
      const decipher = createDecipheriv("aes-256-gcm", master, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    },
  };
}

describe("a key ring", () => {
  it("refuses ids, secrets and options that cannot be right, and says nothing of a secret", () => {
    const secret = randomBytes(32);
    const faults: (() => unknown)[] = [
      () => keyRing({ current: "k2", keys: { k1: secret } }),
      () => keyRing({ current: "k.1", keys: { "k.1": secret } }),
      () => keyRing({ current: "k1", keys: { k1: randomBytes(31) } }),
      () => keyRing({ current: "k1", keys: { k1: "no base64!" } }),
      () => keyRing({ current: "k1", keys: { k1: "c2hvcnQ=" } }),
      () => keyRing({ current: "k1", keys: { k1: 1 as unknown as string } }),
      () => wrappedKeyRing({ current: "k1", keys: {}, kms: service() }),
      () => encryption({ keys: undefined as never }),
      () => encryption({ keys: ring("k1"), vectors: "encrypt" as never }),
      () => encryption({ keys: ring("k1"), strict: true } as never),
    ];
    for (const fault of faults) expect(fault).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => keyRing({ current: "k1", keys: { k1: "c2hvcnQ=" } })).toThrow(/^(?!.*c2hvcnQ)/);
  });

  it("takes a secret as bytes or as base64, and keeps a copy", async () => {
    const secret = randomBytes(32);
    const { through } = storeWith();
    const first = through({ keys: keyRing({ current: "k1", keys: { k1: secret } }) });
    await first.putItem(["n"], "k", { a: 1 });
    const text = secret.toString("base64");
    secret.fill(0);
    expect((await first.getItem(["n"], "k"))?.value).toEqual({ a: 1 });
    const second = through({ keys: keyRing({ current: "k1", keys: { k1: text } }) });
    expect((await second.getItem(["n"], "k"))?.value).toEqual({ a: 1 });
  });

  it("passes each tenant a secret of its own", async () => {
    const secrets = new Map<string, Buffer>();
    const { through } = storeWith();
    const keys = keyRing({
      current: "k1",
      keys: {
        k1: async (tenant) => {
          const secret = secrets.get(tenant) ?? randomBytes(32);
          secrets.set(tenant, secret);
          return secret;
        },
      },
    });
    const storage = through({ keys });
    await storage.tenant("a").putItem(["n"], "k", { a: 1 });
    await storage.tenant("b").putItem(["n"], "k", { b: 1 });
    expect([...secrets.keys()].sort()).toEqual(["a", "b"]);
    secrets.delete("a");
    await expect(through({ keys }).tenant("a").getItem(["n"], "k")).rejects.toMatchObject({ code: "CORRUPTION" });
    expect((await through({ keys }).tenant("b").getItem(["n"], "k"))?.value).toEqual({ b: 1 });
  });

  it.each([
    [
      "at once",
      (): never => {
        throw new TypeError("no such file");
      },
    ],
    ["later", () => Promise.reject(new TypeError("no such file"))],
  ])("that fails %s gives an error of the contract to each caller, and is asked again", async (_name, fails) => {
    const secret = randomBytes(32);
    let isAway = true;
    const keys = keyRing({ current: "k1", keys: { k1: () => (isAway ? fails() : secret) } });
    const storage = storeWith().through({ keys });
    const put = (): Promise<unknown> => storage.putItem(["n"], "k", { a: 1 });
    const outcomes = await Promise.allSettled([put(), put(), storage.createSession("s", "u")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    await expect(put()).rejects.toMatchObject({
      code: "CONNECTION",
      operation: "putItem",
      cause: expect.any(TypeError),
      message: expect.not.stringContaining("no such file"),
    });
    isAway = false;
    await put();
    expect((await storage.getItem(["n"], "k"))?.value).toEqual({ a: 1 });
  });

  it("reads what older keys of the ring have encrypted", async () => {
    const { storage, through } = storeWith();
    await storage.storeCheckpoint("t", "c1", { a: "x".repeat(5_000) });
    const later = through({ keys: ring("k2", "k1") });
    await later.storeCheckpoint("t", "c2", { a: "y".repeat(5_000) });
    expect((await later.listCheckpoints("t", { data: true })).map(({ checkpointId }) => checkpointId)).toEqual([
      "c2",
      "c1",
    ]);
    await expect(storage.getCheckpoint("t")).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});

interface Given {
  readonly metadata: { list: number[] };
  readonly timestamp: Date;
}

const CALLS: readonly ((storage: StorageBackend, given: Given) => Promise<unknown>)[] = [
  (storage, { metadata, timestamp }) => storage.addConversationMessage("s", "user", "a", { metadata, timestamp }),
  (storage, { metadata }) => storage.storeCheckpoint("t", "c", { metadata }, { metadata }),
  (storage, { metadata }) => storage.storeTaskContext("s", { metadata }, { metadata }),
];

describe("keys that a service wraps", () => {
  it("are unwrapped once, also by calls at the same moment, and asked for again after the service was away", async () => {
    const kms = service();
    const keys = wrappedKeyRing({ current: "k1", keys: { k1: await newWrappedKey(kms) }, kms });
    const { through } = storeWith();
    const storage = through({ keys });
    kms.isAway = true;
    await expect(storage.putItem(["n"], "k", { a: 1 })).rejects.toMatchObject({
      code: "CONNECTION",
      outcome: "not-applied",
      retryable: true,
      operation: "putItem",
    });
    expect(await storage.healthCheck()).toMatchObject({
      status: "unhealthy",
      checks: expect.arrayContaining([expect.objectContaining({ name: "encryption", status: "error" })]),
    });
    kms.isAway = false;
    kms.calls = 0;
    await Promise.all(Array.from({ length: 9 }, (_, i) => storage.putItem(["n"], `k${i}`, { a: i })));
    await storage.tenant("other").putItem(["n"], "k", { a: 1 });
    expect(kms.calls).toBe(1);
    expect(await storage.healthCheck()).toMatchObject({ status: "healthy" });
  });

  it("take what the caller gave as it was when he called", async () => {
    const kms = service();
    const keys = wrappedKeyRing({ current: "k1", keys: { k1: await newWrappedKey(kms) }, kms });
    const { storage: known, through } = storeWith({ keys });
    await known.createSession("s", "u");
    // Each layer is new: its first call waits for the key.
    for (const call of CALLS) {
      const given = { metadata: { list: [1] }, timestamp: new Date(1_000) };
      const pending = call(through({}), given);
      given.metadata.list.push(2);
      given.timestamp.setTime(5);
      await pending;
    }
    const storage = known;
    const [message] = await storage.getConversationHistory("s");
    expect([message?.metadata, message?.timestamp]).toEqual([{ list: [1] }, new Date(1_000)]);
    expect(await storage.getCheckpoint("t")).toMatchObject({
      data: { metadata: { list: [1] } },
      metadata: { list: [1] },
    });
    expect(await storage.getTaskContext("s")).toMatchObject({
      context: { metadata: { list: [1] } },
      metadata: { list: [1] },
    });
  });
});

describe("what ciphertext cannot do", () => {
  it("is refused before anything is done: filters of items, of metadata, and vectors", async () => {
    const { raw, storage, through } = storeWith();
    const hidden = through({ metadata: true });
    const refusals: Promise<unknown>[] = [
      storage.searchItems(["n"], { filter: { a: 1 } }),
      storage.countItems(["n"], { filter: { a: { $gt: 1 } } }),
      storage.batchItems([
        { put: { namespace: ["n"], key: "k", value: {} } },
        { count: { prefix: [], filter: { a: 1 } } },
      ]),
      storage.putItem(["n"], "k", {}, { vectors: [[1, 2]] }),
      storage.updateItem(["n"], "k", {}, { vectors: [[1, 2]] }),
      storage.searchItems(["n"], { similarTo: { vector: [1, 2] } }),
      hidden.listSessions({ metadata: { a: 1 } }),
      hidden.listCheckpoints("t", { metadata: { a: 1 } }),
    ];
    for (const refused of refusals) await expect(refused).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(await raw.countItems([])).toBe(0);
    await expect(storage.listSessions({ metadata: { a: 1 } })).resolves.toEqual({ items: [] });
  });

  it("copies and shares need the storage that was opened, not a tenant's view", async () => {
    const { raw } = storeWith();
    const view = encryption({ keys: ring("k1") })(raw.tenant("a"));
    await view.storeCheckpoint("t", "c", 1);
    expect((await view.getCheckpoint("t"))?.data).toBe(1);
    await expect(view.copyThread("t", "u")).rejects.toMatchObject({ code: "UNSUPPORTED", operation: "copyThread" });
    expect((await view.listThreads()).items).toHaveLength(1);
  });
});
