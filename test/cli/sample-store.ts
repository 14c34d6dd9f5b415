// A small store on disk that holds one of everything, and identifiers and contents that would harm a terminal.
import { join } from "node:path";
import { openStorage, type StorageBackend } from "waystone";
import { temporaryFolder } from "../support/packed-package.js";

/** Moves the cursor, changes the colour and the title, breaks the line, reorders text; the last is CSI in one character. */
export const HOSTILE = "\x1b[2J\x1b]0;title\x07\r\nforged\t\u202Edrow\u2066\u2028\u009b31m";

/** Characters that must not reach a terminal; line breaks and tabs are the command's own. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
export const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff]/;

export interface SampleStore extends Disposable {
  readonly folder: string;
  readonly url: string;
}

/** An empty folder, and the URL of a store in it that is filled by `fill`. */
export async function sampleStore(fill: (storage: StorageBackend) => Promise<void> = fillSample): Promise<SampleStore> {
  const folder = temporaryFolder();
  const url = `sqlite:${join(folder.path, "agent.db")}`;
  const storage = await openStorage(url);
  try {
    await fill(storage);
  } finally {
    await storage.close();
  }
  return { folder: folder.path, url, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

export const STATE = {
  step: 2,
  at: new Date("2026-01-31T10:00:00Z"),
  bytes: new Uint8Array([1, 2, 3]),
  seen: new Map([["lyon", new Set([1])]]),
  note: HOSTILE,
};

/** `STATE` as it is in an export. */
export const PORTABLE_STATE = {
  $waystone: 1,
  value: {
    step: 2,
    at: { $: "Date", value: "2026-01-31T10:00:00.000Z" },
    bytes: { $: "Uint8Array", value: "AQID" },
    seen: { $: "Map", value: [["lyon", { $: "Set", value: [1] }]] },
    note: HOSTILE,
  },
};

async function fillSample(storage: StorageBackend): Promise<void> {
  await storage.createSession("trip-1", "ada", { metadata: { tier: 3, city: "Lyon" } });
  await storage.createSession("trip-2", "ada", { metadata: { tier: "3", city: "Nice" } });
  await storage.createSession("visit-1", "bob", { ttlMs: 3_600_000 });
  await storage.createSession(`evil${HOSTILE}`, `user${HOSTILE}`, { metadata: { [`key${HOSTILE}`]: HOSTILE } });
  await storage.updateSession("trip-2", { incrementRequests: 1234, addProcessingTime: 12.345, markError: true });
  await storage.endSession("visit-1", "failed");
  await storage.addConversationMessages("trip-1", [
    { role: "user", content: "Find me a train\nto Lyon" },
    {
      role: "assistant",
      content: [
        { type: "text", text: "I look it up." },
        { type: "tool_call", toolCallId: "c1", toolName: "search", input: { to: "Lyon", on: STATE.at } },
      ],
    },
    { role: "tool", content: [{ type: "tool_result", toolCallId: "c1", output: { trains: [7, 9] } }] },
    { role: `role${HOSTILE}`, content: `content${HOSTILE}` },
    { role: "assistant", content: [{ type: `kind${HOSTILE}`, [`field${HOSTILE}`]: HOSTILE }] },
  ]);
  await storage.storeCheckpoint("work", "step-1", { step: 1 }, { sessionId: "trip-1", metadata: { source: "loop" } });
  await storage.storeCheckpoint("work", "step-2", STATE, { sessionId: "trip-1", parentId: "step-1" });
  await storage.putWrites("work", "step-2", "task-1", [["out", STATE.at]]);
  await storage.storeCheckpoint("work", "sub-1", null, { namespace: "sub" });
  await storage.storeCheckpoint(`thread${HOSTILE}`, `checkpoint${HOSTILE}`, HOSTILE, { namespace: `space${HOSTILE}` });
  await storage.storeTaskContext("trip-1", { goal: "Lyon" }, { metadata: { by: "ada" } });
  await storage.storeTaskContext("trip-1", STATE);
  await storage.putItem(["users", "ada"], "seat", { side: "window" });
  await storage.putItem(["users", "bob"], `key${HOSTILE}`, { [`name${HOSTILE}`]: HOSTILE });
  // Written to last, whatever the clock's resolution.
  await new Promise((resolve) => setTimeout(resolve, 5));
  await storage.addConversationMessage("trip-1", "user", "Book the first one", { messageId: "last" });
}
