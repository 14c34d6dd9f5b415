// What deletes or overwrites: the plan first, then a yes, then `{ changed }`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStorage, type StorageBackend } from "waystone";
import { confirmedLine } from "../../src/cli/confirm.js";
import { type CommandResult, runCommand, runJson } from "./run-command.js";
import { type SampleStore, sampleStore } from "./sample-store.js";

let store: SampleStore;

beforeAll(async () => {
  store = await sampleStore(async (storage) => {
    for (const id of ["keep", "end", "rm-1", "rm-2", "rm-3"]) await storage.createSession(id, "ada");
    await storage.addConversationMessage("rm-1", "user", "gone soon");
    for (const id of ["a", "b", "c", "d"]) await storage.storeCheckpoint("long", id, { id });
    await storage.storeCheckpoint("short", "a", {});
    await storage.storeCheckpoint("named", "a", {});
    await storage.storeCheckpoint("named", "b", {}, { parentId: "a", needsParent: true });
    await storage.storeCheckpoint("named", "c", {});
    await storage.storeCheckpoint("named", "c", {}, { namespace: "sub" });
    await storage.putWrites("named", "c", "task", [["x", 1]]);
    await storage.storeCheckpoint("-dash", "a", {});
  });
});
afterAll(() => store[Symbol.dispose]());

const run = (...args: string[]): Promise<CommandResult> => runCommand(args, { env: { WAYSTONE_URL: store.url } });
const json = (...args: string[]): Promise<unknown> => runJson(args, { env: { WAYSTONE_URL: store.url } });

async function look<T>(use: (storage: StorageBackend) => Promise<T>): Promise<T> {
  const storage = await openStorage(store.url);
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

const sessionIds = (): Promise<string[]> =>
  look(async (storage) => (await storage.listSessions()).items.map((session) => session.sessionId).sort());

describe("without a terminal and without --yes", () => {
  it.each([
    [["sessions", "rm", "rm-1"], "waystone sessions rm rm-1 --yes"],
    [["threads", "rm", "long"], "waystone threads rm long --yes"],
    [["threads", "rm", "--", "-dash"], "waystone --yes threads rm -- -dash"],
    [["checkpoints", "rm", "named", "a", "c"], "waystone checkpoints rm named a c --yes"],
    [["checkpoints", "prune", "--keep-last", "1"], "waystone checkpoints prune --keep-last 1 --yes"],
    [["cleanup", "--max-idle-hours", "0"], "waystone cleanup --max-idle-hours 0 --yes"],
  ])("%j changes nothing and says what to run", async (args, line) => {
    const before = await look((storage) => storage.getMetrics());
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(line);
    const { code: jsonCode, stdout: jsonOut, stderr: jsonError } = await run("--json", ...args);
    expect({ jsonCode, jsonOut }).toEqual({ jsonCode: 2, jsonOut: "" });
    expect(JSON.parse(jsonError)).toMatchObject({ error: { code: "CONFIRMATION_NEEDED" } });
    const after = await look((storage) => storage.getMetrics());
    expect({ ...after, collectedAt: null }).toEqual({ ...before, collectedAt: null });
  });

  it("quotes the line for a shell and hides credentials", () => {
    expect(confirmedLine(["sessions", "rm", "it's a b"])).toBe("waystone sessions rm 'it'\\''s a b' --yes");
    expect(confirmedLine(["cleanup", "-u", "pg://ada:secret@host/db"])).not.toContain("secret");
  });
});

describe("--dry-run", () => {
  it.each([
    [["sessions", "rm", "rm-1", "rm-2"], 2],
    [["threads", "rm", "long"], 1],
    [["checkpoints", "rm", "named", "a", "c"], 1],
    [["checkpoints", "rm", "named", "a", "b"], 2],
    [["checkpoints", "prune", "--keep-last", "2"], 2],
    [["cleanup", "--max-idle-hours", "0"], 5],
    [["cleanup"], 0],
  ])("%j plans %j and changes nothing", async (args, planned) => {
    const before = await look((storage) => storage.getMetrics());
    expect(await json(...args, "-n")).toMatchObject({ changed: 0, planned });
    const { code, stdout } = await run(...args, "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toContain(`planned\t${planned}\n`);
    const after = await look((storage) => storage.getMetrics());
    expect({ ...after, collectedAt: null }).toEqual({ ...before, collectedAt: null });
  });

  it("names the sessions that go", async () => {
    const { stderr } = await run("sessions", "rm", "rm-1", "-n");
    expect(stderr).toMatch(/^delete session rm-1 of ada: 1 message, last written .*\n$/);
  });
});

describe("with --yes", () => {
  it("ends a session, once", async () => {
    expect(await json("sessions", "end", "end", "--status", "failed")).toEqual({ changed: 1, status: "failed" });
    expect(await json("sessions", "end", "end", "--status", "failed")).toEqual({ changed: 0, status: "failed" });
    const { code, stdout, stderr } = await run("sessions", "end", "end", "--json");
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "CONFLICT" } });
  });

  it("takes whole ids only", async () => {
    expect((await run("sessions", "rm", "rm", "--yes")).code).toBe(3);
    expect((await run("sessions", "rm", "@last", "--yes")).code).toBe(3);
    expect((await run("sessions", "end", "kee")).code).toBe(3);
  });

  it("deletes all the sessions or none", async () => {
    const { code } = await run("sessions", "rm", "rm-1", "nobody", "-y");
    expect(code).toBe(3);
    expect(await sessionIds()).toContain("rm-1");
    expect(await json("sessions", "rm", "rm-1", "rm-2", "rm-1", "-y")).toEqual({ changed: 2 });
    expect(await sessionIds()).toEqual(["end", "keep", "rm-3"]);
  });

  it("deletes threads", async () => {
    expect((await run("threads", "rm", "nothing", "-y")).code).toBe(3);
    expect(await json("threads", "rm", "short", "-y")).toEqual({ changed: 1 });
    const { stdout } = await run("--yes", "threads", "rm", "--", "-dash");
    expect(stdout).toBe("changed\t1\n");
  });

  it("deletes checkpoints by name, of the root unless a namespace is given", async () => {
    const { stderr } = await run("checkpoints", "rm", "named", "a", "c", "-n");
    expect(stderr).toMatch(/^keep checkpoint a of thread named: .*\ndelete checkpoint c of thread named \(.*\n$/);
    expect((await run("checkpoints", "rm", "named", "-y")).code).toBe(2);
    expect(await json("checkpoints", "rm", "named", "c", "a", "c", "-y")).toEqual({
      changed: 1,
      removedCheckpoints: 1,
      removedWrites: 1,
      removedBytes: expect.any(Number),
      keptCheckpointIds: ["a"],
      kept: 1,
    });
    expect(await json("checkpoints", "rm", "named", "c", "--namespace", "sub", "-y")).toMatchObject({ changed: 1 });
    const left = await look((storage) => storage.listCheckpoints("named"));
    expect(left.map((checkpoint) => checkpoint.checkpointId)).toEqual(["b", "a"]);
  });

  it("prunes checkpoints", async () => {
    expect((await run("checkpoints", "prune", "-y")).code).toBe(2);
    expect(await json("checkpoints", "prune", "--keep-last", "1", "--thread", "long", "-y")).toMatchObject({
      changed: 3,
      removedCheckpoints: 3,
      keptCheckpoints: 1,
    });
    const left = await look((storage) => storage.listCheckpoints("long"));
    expect(left.map((checkpoint) => checkpoint.checkpointId)).toEqual(["d"]);
  });

  it("removes idle sessions", async () => {
    expect(await json("cleanup", "-y")).toMatchObject({ changed: 0 });
    expect(await sessionIds()).toEqual(["end", "keep", "rm-3"]);
    expect(await json("cleanup", "--max-idle-hours", "0", "--batch-size", "2", "-y")).toEqual({ changed: 3 });
    expect(await sessionIds()).toEqual([]);
  });

  it("overwrites a file of an export, and not without", async () => {
    const file = join(store.folder, "old.jsonl");
    writeFileSync(file, "old");
    const { code, stdout, stderr } = await run("export", "-o", file, "--json");
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "FILE_EXISTS" } });
    expect(readFileSync(file, "utf8")).toBe("old");
    expect((await run("export", "-o", file, "--yes")).code).toBe(0);
    expect(existsSync(file) && readFileSync(file, "utf8")).not.toBe("old");
  });
});
