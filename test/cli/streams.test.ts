// What lasts: a reader that goes away, a conversation that is followed, Ctrl-C.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStorage, type StorageBackend } from "waystone";
import { userEnvironment } from "../support/packed-package.js";
import { commandFile } from "./run-command.js";
import { type SampleStore, sampleStore } from "./sample-store.js";

let store: SampleStore;

beforeAll(async () => {
  store = await sampleStore(async (storage) => {
    await storage.createSession("talk", "ada");
    const messages = Array.from({ length: 3000 }, (_, i) => ({ role: "user", content: `${i} ${"x".repeat(200)}` }));
    await storage.addConversationMessages("talk", messages);
  });
});
afterAll(() => store[Symbol.dispose]());

function start(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [commandFile, ...args, "-u", store.url], { env: userEnvironment });
}

function collected(stream: NodeJS.ReadableStream): { text: string } {
  const output = { text: "" };
  stream.setEncoding("utf8").on("data", (text: string) => {
    output.text += text;
  });
  return output;
}

async function exitCode(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = await once(child, "close");
  return code;
}

describe("a reader that goes away", () => {
  it.each([
    ["history", "talk", "--limit", "3000"],
    ["history", "talk", "--limit", "3000", "--json"],
    ["export"],
    ["export", "--json"],
  ])("ends %s %s quietly", async (...args) => {
    const child = start(...args, "-q");
    const errors = collected(child.stderr);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await exitCode(child)).toBe(0);
    expect(errors.text).toBe("");
  });
});

describe("history --follow", () => {
  it("goes on with each new message once, and stops by Ctrl-C", async () => {
    const child = start("history", "talk", "--follow", "--limit", "1", "--interval", "20ms", "--json");
    const errors = collected(child.stderr);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<number> => JSON.parse(String((await lines.next()).value)).seq;
    expect(await next()).toBe(3000);
    await inStore(async (storage) => {
      await storage.addConversationMessage("talk", "user", "one");
      await storage.addConversationMessages("talk", [
        { role: "assistant", content: "two" },
        { role: "user", content: "three" },
      ]);
    });
    expect([await next(), await next(), await next()]).toEqual([3001, 3002, 3003]);
    child.kill("SIGINT");
    expect(await exitCode(child)).toBe(130);
    expect(errors.text).toBe("");
  });

  it("ends when the session is deleted", async () => {
    await inStore((storage) => storage.createSession("short", "ada"));
    const child = start("history", "short", "--follow", "--interval", "20ms");
    const errors = collected(child.stderr);
    await inStore((storage) => storage.addConversationMessage("short", "user", "hello"));
    await once(child.stdout, "data");
    await inStore((storage) => storage.deleteSession("short"));
    expect(await exitCode(child)).toBe(3);
    expect(errors.text).toContain("errors.md#session_not_found");
  });

  it("stops by SIGTERM", async () => {
    const child = start("history", "talk", "--follow", "--limit", "1");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await exitCode(child)).toBe(143);
  });
});

async function inStore(use: (storage: StorageBackend) => Promise<unknown>): Promise<void> {
  const storage = await openStorage(store.url);
  try {
    await use(storage);
  } finally {
    await storage.close();
  }
}
