// What the store keeps: no planted word in any byte, and about as much as without encryption.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { prepareValue } from "../../../src/domain/codec/codec.js";
import { encryption } from "../../../src/layers/encryption/encryption.js";
import { newPath } from "../../backends/sqlite/folder.js";
import { prose } from "../../domain/segments/prose.js";
import { createDatabase, startPostgres } from "../../support/postgres-server.js";
import { startRedis } from "../../support/redis-server.js";
import { ring, storeWith } from "./rings.js";

const CANARY = "Kanarienvogel";

/** A word that is nowhere else, in the forms in which it could be stored. */
const FORMS: readonly Buffer[] = [
  Buffer.from(CANARY),
  Buffer.from(CANARY, "utf16le"),
  ...[0, 1, 2].map((offset) => {
    const text = Buffer.from(`${"-".repeat(offset)}${CANARY}---`).toString("base64");
    return Buffer.from(text.slice(offset === 0 ? 0 : 4, 16));
  }),
  Buffer.from(Buffer.from(CANARY).toString("hex")),
];

function canariesIn(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return FORMS.filter((form) => buffer.includes(form)).length;
}

/** Puts the word wherever content may stand. */
async function plant(storage: StorageBackend): Promise<void> {
  const metadata = { word: CANARY, deep: { list: [CANARY] } };
  await storage.createSession("s", "u", { metadata });
  await storage.updateSession("s", { metadata: { more: CANARY }, idempotencyKey: "key" });
  for (let i = 0; i < 5; i++) {
    await storage.addConversationMessage("s", "user", `${CANARY} ${i}`, { metadata });
    await storage.addConversationMessage("s", "user", [{ type: "text", [CANARY]: CANARY.repeat(300) }]);
    await storage.storeTaskContext("s", { [CANARY]: [CANARY, new Map([[CANARY, 1n]])] }, { metadata });
    const messages = Array.from({ length: 40 }, (_, n) =>
      prepareValue({ id: n, content: `${CANARY} ${prose(n, 300)}` }),
    );
    await storage.storeCheckpoint("t", `small${i}`, { [CANARY]: CANARY }, { metadata, sessionId: "s" });
    await storage.storeCheckpoint("t", `large${i}`, { messages, loose: `${prose(i, 9_000)} ${CANARY}` }, { metadata });
    await storage.putWrites("t", `large${i}`, "task", [
      ["a", CANARY],
      ["b", { [CANARY]: prose(i, 2_000) + CANARY }],
    ]);
    await storage.putItem(["n"], `k${i}`, { [CANARY]: CANARY });
    await storage.updateItem(["n"], `k${i}`, { merge: { more: CANARY } });
  }
  await storage.copyThread("t", "copy");
  await storage.createSession("other", "u");
  await storage.shareTaskContext("s", "other");
}

describe("a planted word", () => {
  it("is in no byte of a SQLite file and its log, nor in what is left of what was deleted", async () => {
    const path = newPath();
    const storage = encryption({ keys: ring("k1"), metadata: true })(sqliteStorage(path));
    await plant(storage);
    const look = (): number =>
      readdirSync(dirname(path)).reduce((sum, name) => sum + canariesIn(readFileSync(join(dirname(path), name))), 0);
    expect(look()).toBe(0);
    await storage.deleteThread("t");
    expect(look()).toBe(0);
    await storage.close();
    expect(look()).toBe(0);
    // The look itself finds what is there.
    const plain = sqliteStorage(path);
    await plain.putItem(["n"], "plain", { word: CANARY });
    expect(look()).toBeGreaterThan(0);
    await plain.close();
  });

  it("is in no message on the way to PostgreSQL, and in no table of it", { timeout: 120_000 }, async () => {
    const server = await startPostgres({ inMemory: true });
    onTestFinished(() => server.stop());
    const url = await createDatabase(server);
    const wire = await recordedWire(url);
    const storage = encryption({ keys: ring("k1"), metadata: true })(postgresStorage({ url: wire.url }));
    await plant(storage);
    expect((await storage.getCheckpoint("t"))?.checkpointId).toBe("large4");
    await storage.close();
    expect(wire.bytes().length).toBeGreaterThan(50_000);
    expect(canariesIn(wire.bytes())).toBe(0);
    expect(canariesIn(Buffer.from(await everyTable(url)))).toBe(0);
  });

  it("is in no message on the way to Redis, and in no file of it", { timeout: 120_000 }, async () => {
    await using server = await startRedis({ inMemory: true });
    const wire = await recordedWire(server.url);
    const storage = encryption({ keys: ring("k1"), metadata: true })(redisStorage(wire.url));
    await plant(storage);
    expect((await storage.getCheckpoint("t"))?.checkpointId).toBe("large4");
    await storage.close();
    const files = (): Buffer[] =>
      readdirSync(server.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    const look = (): number => files().reduce((sum, bytes) => sum + canariesIn(bytes), 0);
    expect(wire.bytes().length).toBeGreaterThan(50_000);
    expect(canariesIn(wire.bytes())).toBe(0);
    expect(Buffer.concat(files()).length).toBeGreaterThan(50_000);
    expect(look()).toBe(0);
    // The look itself finds what is there.
    await using plain = redisStorage(server.url);
    await plain.putItem(["n"], "plain", { word: CANARY });
    expect(look()).toBeGreaterThan(0);
  });
});

describe("a growing conversation", () => {
  it.each([
    ["messages that are prepared once", (message: unknown) => prepareValue(message)],
    ["states that come whole", (message: unknown) => message],
  ])("takes at most 1.6 times the bytes that it takes unencrypted: %s", { timeout: 60_000 }, async (_name, prepare) => {
    const bytesOf = async (around: (storage: StorageBackend) => StorageBackend): Promise<number> => {
      const path = newPath();
      const storage = around(sqliteStorage({ path, durability: "process" }));
      const messages: unknown[] = [];
      for (let turn = 0; turn < 80; turn++) {
        for (const length of [512, 1_024]) {
          messages.push(prepare({ type: "human", id: `${turn}-${length}`, content: prose(turn * 2 + length, length) }));
        }
        await storage.storeCheckpoint("t", `c${turn}`, { messages, turn });
      }
      const { data } = (await storage.getCheckpoint("t")) as { data: { messages: unknown[] } };
      expect(data.messages).toHaveLength(160);
      await storage.close();
      return statSync(path).size;
    };
    const plain = await bytesOf((storage) => storage);
    const encrypted = await bytesOf(encryption({ keys: ring("k1") }));
    expect(encrypted / plain).toBeGreaterThan(0.9);
    expect(encrypted / plain).toBeLessThan(1.6);
  });
});

/** Hands bytes on to the server and keeps those that go there. */
async function recordedWire(url: string): Promise<{ readonly url: string; readonly bytes: () => Buffer }> {
  const target = new URL(url);
  const chunks: Buffer[] = [];
  const server: Server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    client.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address() as { port: number };
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(address.port);
  return { url: through.href, bytes: () => Buffer.concat(chunks) };
}

/** Every row of every table, as text, and bytes as hexadecimal. */
async function everyTable(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query<{ schema: string; name: string }>(
      "SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    const texts: string[] = [];
    for (const { schema, name } of tables.rows) {
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM "${schema}"."${name}" t`);
      texts.push(...rows.map(({ text }) => text));
    }
    expect(texts.length).toBeGreaterThan(100);
    return texts.join("\n");
  } finally {
    await client.end();
  }
}

it("no nonce is used for two contents, also where the same state is packed in another way", async () => {
  const { raw, through } = storeWith();
  const messages = Array.from({ length: 30 }, (_, i) => ({ id: i, content: prose(i, 400) }));
  for (const [i, compress] of [true, false, true].entries()) {
    await through({ compress }).storeCheckpoint("t", `c${i}`, { messages: messages.map(prepareValue), i });
    await through({ compress }).storeCheckpoint("t", `whole${i}`, { messages, i });
  }
  const sealed = new Map<string, Set<string>>();
  for (const { data } of await raw.listCheckpoints("t", { data: true, limit: 10 })) {
    for (const piece of (data as [string, string[]])[1]) {
      const nonce = piece.slice(0, 16);
      sealed.set(nonce, (sealed.get(nonce) ?? new Set()).add(piece));
    }
  }
  expect(sealed.size).toBeGreaterThan(60);
  expect([...sealed.values()].filter((pieces) => pieces.size > 1)).toEqual([]);
});
