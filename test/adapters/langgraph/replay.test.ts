// Recorded conversations of a real agent, replayed as turns of a graph: nothing is lost or changed, and little is stored.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import {
  graphMessages,
  questions,
  type RecordedConversation,
  recordedConversations,
  recordedGraph,
  textBytes,
} from "../../support/recorded-graph.js";
import { SAMPLE_MESSAGES } from "../../support/sample-conversation.js";

const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A message of 500 bytes leaves one or two checkpoints, 3.8 times the text; each with all messages until then would be 27 times. */
const STORED_OVER_TEXT = 4.5;

const SAMPLE: RecordedConversation = { id: "sample", messages: SAMPLE_MESSAGES };

describe.each([
  ["memory", () => memoryStorage()],
  ["SQLite", () => sqliteStorage(join(folder, "store.db"))],
])("on %s", (_name, open) => {
  it("a short conversation is replayed as it was", async () => {
    const storage = open();
    await replay(storage, SAMPLE);
    await storage.close();
  });

  it("every recorded conversation is replayed as it was", { timeout: 300_000 }, async (context) => {
    const conversations = recordedConversations();
    if (conversations.length === 0) {
      console.warn("no recording to replay: set WAYSTONE_TEST_RECORDING to a JSON Lines file of conversations");
      context.skip();
    }
    const storage = open();
    const empty = await sizeOf(storage);
    for (const conversation of conversations) await replay(storage, conversation);
    const stored = await sizeOf(storage);
    await storage.close();
    if (stored === undefined || empty === undefined) return;
    const text = conversations.reduce((sum, conversation) => sum + textBytes(conversation), 0);
    expect((stored - empty) / text).toBeLessThan(STORED_OVER_TEXT);
  });
});

/** Runs a conversation through its graph; at its end, and half-way, the state has to be what was said until then. */
async function replay(storage: StorageBackend, conversation: RecordedConversation): Promise<void> {
  const saver = new WaystoneSaver(storage);
  const graph = recordedGraph(conversation, saver);
  const thread = { configurable: { thread_id: conversation.id } };
  const said = graphMessages(conversation);
  const inputs = questions(said);
  let middle: Awaited<ReturnType<typeof graph.getState>> | undefined;
  for (const [turn, messages] of inputs.entries()) {
    await graph.invoke({ messages }, { ...thread, recursionLimit: said.length });
    if (turn === Math.floor(inputs.length / 2)) middle = await graph.getState(thread);
  }
  expect((await graph.getState(thread)).values.messages).toStrictEqual(said);
  const seen = middle?.values.messages.length;
  expect(seen).toBeGreaterThan(0);
  const again = await graph.getState(middle?.config ?? thread);
  expect(again).toStrictEqual(middle);
  expect(again.values.messages).toStrictEqual(said.slice(0, seen));
}

async function sizeOf(storage: StorageBackend): Promise<number | undefined> {
  return (await storage.getMetrics()).sizeBytes?.value;
}
