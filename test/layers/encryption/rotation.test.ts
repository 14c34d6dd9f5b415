// Leaving a key behind: afterwards all is under the new key, reads as before, and nothing that others wrote meanwhile is lost.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { prepareValue } from "../../../src/domain/codec/codec.js";
import { encryption } from "../../../src/layers/encryption/encryption.js";
import { keyRing } from "../../../src/layers/encryption/key-ring.js";
import { keysInUse, rotateKeys } from "../../../src/layers/encryption/rotation/rotate-keys.js";
import { withLayers } from "../../../src/layers/layer.js";
import { monitor } from "../../../src/layers/monitor.js";
import { retry } from "../../../src/layers/retry.js";
import type { StorageFactory } from "../../../src/testing/storage-factory.js";
import { newPath } from "../../backends/sqlite/folder.js";
import { prose } from "../../domain/segments/prose.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { postgresFactory } from "../../testing/postgres-factory.js";
import { redisFactory } from "../../testing/redis-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { recordsOf, replaceRecords, ring, storeWith } from "./rings.js";

const FACTORIES: readonly (readonly [string, StorageFactory])[] = [
  ["memory", memoryFactory],
  ["sqlite", sqliteFactory],
  ["postgres", postgresFactory],
  ["redis", redisFactory],
];

/** Something of every kind, with copies, shared contexts, writes that wait, and states that share most of what they hold. */
async function fill(storage: StorageBackend): Promise<void> {
  const metadata = { word: "content", deep: [1] };
  await storage.createSession("s", "u", { metadata });
  await storage.createSession("other", "u");
  for (let i = 0; i < 12; i++) await storage.addConversationMessage("s", "user", `message ${i}`, { metadata });
  await storage.addConversationMessages(
    "other",
    Array.from({ length: 260 }, (_, i) => ({ role: "user", content: `many ${i}` })),
  );
  for (let i = 0; i < 3; i++) await storage.storeTaskContext("s", { version: i }, { metadata });
  await storage.shareTaskContext("s", "other");
  await storage.storeTaskContext("other", { of: "other" });
  const messages: unknown[] = [];
  for (let i = 0; i < 12; i++) {
    messages.push(prepareValue({ id: i, content: prose(i, 400) }));
    await storage.storeCheckpoint("t", `c${i}`, { messages, i }, { metadata, sessionId: "s" });
    await storage.putWrites("t", `c${i}`, "task", [["channel", { write: i }]]);
  }
  await storage.storeCheckpoint("t", "small", { small: true }, { namespace: "ns" });
  await storage.putWrites("t", "yet to come", "task", [["channel", "waits"]]);
  await storage.copyThread("t", "copy");
  await storage.putItem(["a", "b"], "k", { item: 1 });
  await storage.putItem(["c"], "k", { item: 2 }, { ttlMs: 86_400_000 });
}

/** Two handles on one store. */
async function storeOf(factory: StorageFactory): Promise<() => Promise<StorageBackend>> {
  const harness = await factory.create();
  const handles: StorageBackend[] = [];
  onTestFinished(async () => {
    for (const handle of handles) await handle.close();
    await harness.destroy();
  });
  return async () => {
    const handle = await harness.open();
    handles.push(handle);
    return handle;
  };
}

describe.each(FACTORIES)("rotating the keys of %s", (_name, factory) => {
  it.each([true, false])("leaves nothing under the old key and nothing else (metadata: %s)", async (metadata) => {
    const open = await storeOf(factory);
    const before = encryption({ keys: ring("k1"), metadata })(await open());
    await fill(before);
    const records = await recordsOf(before);
    const versions = await before.batchGetSessions(["s", "other"]);

    const storage = encryption({ keys: ring("k2", "k1"), metadata })(await open());
    expect(Object.keys(await keysInUse(storage))).toEqual(["k1"]);
    const phases = new Set<string>();
    const { finished } = rotateKeys(storage, { onProgress: ({ phase }) => phases.add(phase) });
    const report = await finished;
    expect(report).toMatchObject({ key: "k2", phase: "done", unreadableCount: 0, resumed: false });
    expect(report.replaced).toBeGreaterThan(300);
    expect([...phases]).toEqual(["grants", "sessions", "threads", "done"]);
    expect(Object.keys(await keysInUse(storage))).toEqual(["k2"]);

    const after = encryption({ keys: ring("k2"), metadata })(await open());
    expect(await recordsOf(after)).toEqual(records);
    expect(await after.batchGetSessions(["s", "other"])).toEqual(versions);
    expect((await after.getTaskContext("other"))?.context).toEqual({ of: "other" });
    expect((await after.getTaskContext("other", { version: 1 }))?.context).toEqual({ version: 0 });
    await expect(before.getConversationHistory("s")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    // What follows shares with what was encrypted anew.
    await after.storeCheckpoint("copy", "next", { next: true });
    expect((await after.getCheckpoint("copy"))?.data).toEqual({ next: true });
    // A second one has nothing to do.
    expect(await rotateKeys(after).finished).toMatchObject({ replaced: 0, phase: "done" });
  });

  it("loses nothing that others write meanwhile", async () => {
    const open = await storeOf(factory);
    await fill(encryption({ keys: ring("k1") })(await open()));
    const storage = encryption({ keys: ring("k2", "k1") })(await open());
    const writer = encryption({ keys: ring("k2", "k1") })(await open());
    let running = true;
    const appended: string[] = [];
    const writing = (async () => {
      for (let i = 0; running || i < 20; i++) {
        await writer.addConversationMessage("s", "assistant", `meanwhile ${i}`);
        appended.push(`meanwhile ${i}`);
        await writer.storeCheckpoint("t", `c${i % 12}`, { meanwhile: i });
        await writer.updateItem(["a", "b"], "k", { increment: { count: 1 } });
        await writer.storeTaskContext("s", { meanwhile: i });
      }
      return appended.length;
    })();
    const rotation = rotateKeys(storage);
    await rotation.finished;
    running = false;
    const count = await writing;
    await rotateKeys(storage).finished;
    expect(Object.keys(await keysInUse(storage))).toEqual(["k2"]);
    const after = encryption({ keys: ring("k2") })(await open());
    const history = await after.getConversationHistory("s", { limit: 10_000 });
    expect(history.slice(12).map(({ content }) => content)).toEqual(appended);
    expect((await after.getItem(["a", "b"], "k"))?.value).toEqual({ item: 1, count });
    expect((await after.getTaskContext("s"))?.context).toEqual({ meanwhile: count - 1 });
    expect((await after.getCheckpoint("t", { checkpointId: `c${(count - 1) % 12}` }))?.data).toEqual({
      meanwhile: count - 1,
    });
  });
});

describe("a rotation", () => {
  it("ends by its signal and goes on from there, also in another process", async () => {
    const { through } = storeWith();
    const first = through({});
    for (let i = 0; i < 300; i++) {
      await first.createSession(`s${i}`, "u");
      await first.addConversationMessage(`s${i}`, "user", "text");
    }
    const storage = through({ keys: ring("k2", "k1") });
    const controller = new AbortController();
    let pages = 0;
    const ended = await rotateKeys(storage, {
      signal: controller.signal,
      onProgress: () => {
        pages += 1;
        if (pages === 4) controller.abort();
      },
    }).finished;
    expect(ended.phase).toBe("sessions");
    expect(ended.replaced).toBeGreaterThan(0);
    expect(ended.replaced).toBeLessThan(300);
    const rest = await rotateKeys(through({ keys: ring("k2", "k1") })).finished;
    expect(rest).toMatchObject({ resumed: true, phase: "done", replaced: 300 - ended.replaced });
    expect(rest.looked).toBe(300 - ended.replaced);
    expect(await keysInUse(storage)).toEqual({ k2: 300 });
  });

  it("replaces in several calls what is more than one takes", async () => {
    const { storage, through } = storeWith({ metadata: true });
    await storage.createSession("s", "u");
    const metadata = { text: "x".repeat(700_000) };
    for (let i = 0; i < 6; i++) await storage.addConversationMessage("s", "user", `m${i}`, { metadata });
    const report = await rotateKeys(through({ keys: ring("k2", "k1") })).finished;
    expect(report).toMatchObject({ phase: "done", replaced: 6, unreadableCount: 0 });
    const history = await through({ keys: ring("k2") }).getConversationHistory("s");
    expect(history.map(({ content, metadata: { text } }) => [content, text === metadata.text])).toEqual(
      Array.from({ length: 6 }, (_, i) => [`m${i}`, true]),
    );
  });

  it("leaves what does not open, says so, and rotates the rest", async () => {
    const { raw, storage, through } = storeWith();
    await storage.createSession("s", "u");
    for (let i = 0; i < 3; i++) await storage.addConversationMessage("s", "user", `m${i}`, { messageId: `m${i}` });
    const damaged = (await recordsOf(raw)).map((record) =>
      record.kind === "message" && record.seq === 2
        ? { ...record, content: `${String(record.content).slice(0, -8)}AAAAAAAA` }
        : record,
    );
    await replaceRecords(raw, damaged);
    const report = await rotateKeys(through({ keys: ring("k2", "k1") })).finished;
    expect(report).toMatchObject({ phase: "done", replaced: 2, unreadableCount: 1 });
    expect(report.unreadable[0]).toMatch(/^message "m1" of session "s": .*cannot be verified/);
    expect(await keysInUse(through({ keys: ring("k2", "k1") }))).toEqual({ k1: 1, k2: 2 });
  });

  it("is told a storage that can replace values, with the layer around it", async () => {
    const { raw, storage } = storeWith();
    expect(() => rotateKeys(raw)).toThrow(/must be one that the layer encryption is around/);
    expect(() => rotateKeys(storage, { pauseMs: -1 })).toThrow(/pauseMs/);
    const { tenant, ...rest } = raw;
    const without: StorageBackend = { ...rest, tenant: () => without };
    Reflect.deleteProperty(without, "replaceStored");
    expect(() => rotateKeys(encryption({ keys: ring("k1") })(without))).toThrow(/cannot put a value in the place/);
    expect(tenant).toBeTypeOf("function");
  });

  it("finds the layer between others, and each tenant by its view", async () => {
    const { raw } = storeWith();
    const of = (current: string, ...others: string[]): StorageBackend =>
      withLayers(raw, [monitor(), encryption({ keys: ring(current, ...others) }), retry()]);
    const view = encryption({ keys: ring("k1") })(raw).tenant("acme");
    await view.putItem(["n"], "k", { a: 1 });
    await of("k1").putItem(["n"], "k", { a: 2 });
    await rotateKeys(of("k2", "k1")).finished;
    expect(await keysInUse(of("k2", "k1"))).toEqual({ k2: 1 });
    const acme = encryption({ keys: ring("k2", "k1") })(raw).tenant("acme");
    expect(await keysInUse(acme)).toEqual({ k1: 1 });
    await rotateKeys(acme).finished;
    expect(await keysInUse(acme)).toEqual({ k2: 1 });
    expect((await acme.getItem(["n"], "k"))?.value).toEqual({ a: 1 });
  });

  it("goes on after kill -9, and leaves nothing under the old key", { timeout: 60_000 }, async () => {
    const path = newPath();
    const secrets = { k1: randomBytes(32).toString("base64"), k2: randomBytes(32).toString("base64") };
    const first = encryption({ keys: keyRing({ current: "k1", keys: { k1: secrets.k1 } }) })(sqliteStorage(path));
    await fill(first);
    for (let i = 0; i < 400; i++) {
      await first.createSession(`more ${i}`, "u");
      await first.addConversationMessages(
        `more ${i}`,
        Array.from({ length: 5 }, (_, n) => ({ role: "user", content: `message ${n} of ${i}` })),
      );
    }
    const records = await recordsOf(first);
    await first.close();
    let resumed = 0;
    let kills = 0;
    for (let round = 0; ; round++) {
      const args = [join(import.meta.dirname, "rotating-process.ts"), path, secrets.k1, secrets.k2];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const closed = once(child, "close");
      let output = "";
      for await (const chunk of child.stdout) {
        output += chunk;
        if (round < 3 && output.split("\n").length > 2) child.kill("SIGKILL");
      }
      await closed;
      if (output.includes('"resumed":true')) resumed += 1;
      if (child.signalCode === "SIGKILL") kills += 1;
      else break;
    }
    expect(kills).toBe(3);
    expect(resumed).toBe(3);
    const keys = keyRing({ current: "k2", keys: { k2: secrets.k2 } });
    const storage = encryption({ keys })(sqliteStorage(path));
    onTestFinished(() => storage.close());
    expect(Object.keys(await keysInUse(storage))).toEqual(["k2"]);
    expect(await recordsOf(storage)).toEqual(records);
  });
});
