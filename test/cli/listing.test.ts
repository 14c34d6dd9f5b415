// What the commands that read print: documents, lines, pages.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CommandResult, runCommand, runJson, runText } from "./run-command.js";
import { HARMFUL, HOSTILE, PORTABLE_STATE, type SampleStore, sampleStore } from "./sample-store.js";

let store: SampleStore;
let env: { WAYSTONE_URL: string };

beforeAll(async () => {
  store = await sampleStore();
  env = { WAYSTONE_URL: store.url };
});
afterAll(() => store[Symbol.dispose]());

const json = (...args: string[]): Promise<unknown> => runJson(args, { env });
const text = (...args: string[]): Promise<string[][]> => runText(args, { env });
const run = (...args: string[]): Promise<CommandResult> => runCommand(args, { env });

interface Listed {
  readonly items: readonly { readonly [field: string]: unknown }[];
  readonly nextCursor: string | null;
  readonly count: number;
}
const list = async (...args: string[]): Promise<Listed> => (await json(...args)) as Listed;

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const instant: unknown = expect.stringMatching(INSTANT);

describe("sessions ls", () => {
  it("lists the session written to last first, as the API returns it", async () => {
    const { items, nextCursor, count } = await list("sessions", "ls");
    expect({ nextCursor, count }).toEqual({ nextCursor: null, count: 4 });
    expect(items[0]).toEqual({
      sessionId: "trip-1",
      userId: "ada",
      status: "active",
      metadata: { tier: 3, city: "Lyon" },
      createdAt: instant,
      updatedAt: instant,
      version: 1,
      requestCount: 0,
      totalProcessingTime: 0,
      errorCount: 0,
      messageCount: 6,
      lastSeq: 6,
    });
  });

  it("prints a line a session to a pipe, with full values and a footer on stderr", async () => {
    const { code, stdout, stderr } = await run("sessions", "ls", "--user", "ada", "--order", "created", "--reverse");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "2 sessions\n" });
    const [, second] = stdout.split("\n").map((line) => line.split("\t"));
    expect(second).toEqual([
      "trip-2",
      "ada",
      "active",
      expect.stringMatching(INSTANT),
      expect.stringMatching(INSTANT),
      "0",
      "1234",
      "1",
      "12.345",
      "",
      '{"tier":"3","city":"Nice"}',
    ]);
  });

  it.each([
    [["--user", "bob"], ["visit-1"]],
    [["--status", "failed"], ["visit-1"]],
    [["--status", "failed", "--status", "active", "--user", "bob"], ["visit-1"]],
    [["--meta", "tier=3"], ["trip-1"]],
    [["--meta", 'tier="3"'], ["trip-2"]],
    [["--meta", "tier=3", "--meta", "city=Nice"], []],
    [
      ["--user", "ada", "--since", "1h"],
      ["trip-1", "trip-2"],
    ],
    [["--until", "1h"], []],
    [["--since", "2199-01-01"], []],
    [
      ["--user", "ada", "--until", "2199-01-01T00:00:00+02:00"],
      ["trip-1", "trip-2"],
    ],
  ])("filters by %j", async (args, ids) => {
    const { items } = await list("sessions", "ls", ...args);
    expect(items.map((session) => session.sessionId).sort()).toEqual(ids);
  });

  it("goes through the pages by cursor, also when an age bounds them", async () => {
    const { items } = await list("sessions", "ls");
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const more: string[] = cursor === null ? [] : ["--cursor", cursor];
      const page: Listed = await list("sessions", "ls", "--since", "2h", "--limit", "1", ...more);
      expect(page.count).toBe(1);
      seen.push(...page.items.map((session) => session.sessionId));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(items.map((session) => session.sessionId));
  });

  it("tells the next cursor in the footer", async () => {
    const { stderr } = await run("sessions", "ls", "--limit", "3");
    const cursor = /^3 sessions · next: --cursor (\S+)\n$/.exec(stderr)?.[1] ?? "";
    expect(await text("sessions", "ls", "--limit", "3", "--cursor", cursor)).toHaveLength(1);
  });

  it("refuses a cursor of another query", async () => {
    const { nextCursor } = await list("sessions", "ls", "--limit", "1");
    const { code, stdout } = await run("sessions", "ls", "--user", "ada", "--cursor", String(nextCursor));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

describe("a session", () => {
  it.each(["trip-1", "trip-1 ", "@last", "visit", "evil"])("is found as %j or refused", async (reference) => {
    const found: Record<string, string> = {
      "trip-1": "trip-1",
      "@last": "trip-1",
      visit: "visit-1",
      evil: `evil${HOSTILE}`,
    };
    const { code, stdout } = await run("sessions", "show", reference, "--json");
    const id = found[reference];
    if (id === undefined) expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    else expect(JSON.parse(stdout)).toMatchObject({ sessionId: id });
  });

  it("is not guessed when several begin so", async () => {
    const { code, stderr } = await run("sessions", "show", "trip");
    expect(code).toBe(2);
    expect(stderr).toContain('"trip-1"');
    expect(stderr).toContain('"trip-2"');
  });

  it("is shown as name and value", async () => {
    const fields = Object.fromEntries(await text("sessions", "show", "visit-1"));
    expect(fields).toMatchObject({ session: "visit-1", user: "bob", status: "failed", ttlMs: "3600000", version: "2" });
    expect(fields.expires).toMatch(INSTANT);
  });
});

describe("history", () => {
  it("gives contents in the form of an export", async () => {
    const { items, count, nextCursor } = await list("history", "trip-1");
    expect({ count, nextCursor }).toEqual({ count: 6, nextCursor: null });
    expect(items[0]).toEqual({
      sessionId: "trip-1",
      seq: 1,
      messageId: expect.any(String),
      role: "user",
      content: "Find me a train\nto Lyon",
      metadata: {},
      timestamp: instant,
    });
    expect(items[1]?.content).toEqual({
      $waystone: 1,
      value: [
        { type: "text", text: "I look it up." },
        {
          type: "tool_call",
          toolCallId: "c1",
          toolName: "search",
          input: { to: "Lyon", on: { $: "Date", value: "2026-01-31T10:00:00.000Z" } },
        },
      ],
    });
    expect(items[3]?.content).toBe(`content${HOSTILE}`);
  });

  it("gives a line a message to a pipe", async () => {
    const rows = await text("history", "@last", "--limit", "10");
    expect(rows.map(([seq, role, _time, content]) => [seq, role, content]).slice(0, 3)).toEqual([
      ["1", "user", "Find me a train\\nto Lyon"],
      ["2", "assistant", "I look it up. · → search({ to: 'Lyon', on: 2026-01-31T10:00:00.000Z })"],
      ["3", "tool", "← c1: { trains: [ 7, 9 ] }"],
    ]);
    expect(rows.every((fields) => fields.length === 4)).toBe(true);
  });

  it.each([
    [["--limit", "2"], [5, 6], "before-5"],
    [["--limit", "2", "--cursor", "before-5"], [3, 4], "before-3"],
    [["--limit", "2", "--before", "3"], [1, 2], null],
    [["--limit", "2", "--after", "0"], [1, 2], "after-2"],
    [["--limit", "4", "--after", "0", "--cursor", "after-2"], [3, 4, 5, 6], null],
    [["--limit", "6"], [1, 2, 3, 4, 5, 6], null],
    [["--limit", "0"], [], null],
    [["--role", "tool", "--role", "assistant"], [2, 3, 5], null],
    [["--role", "user", "--limit", "1"], [6], "before-6"],
  ])("chooses by %j", async (args, seqs, nextCursor) => {
    const page = await list("history", "trip-1", ...args);
    expect(page.items.map((message) => message.seq)).toEqual(seqs);
    expect(page.nextCursor).toBe(nextCursor);
  });

  it("refuses a cursor that goes the other way", async () => {
    const { code } = await run("history", "trip-1", "--cursor", "after-2");
    expect(code).toBe(2);
  });
});

describe("threads and checkpoints", () => {
  it("lists threads, also those of a session", async () => {
    expect(await list("threads", "ls")).toMatchObject({ count: 2 });
    const { items } = await list("threads", "ls", "--session", "trip-1");
    expect(items).toEqual([
      { threadId: "work", sessionId: "trip-1", checkpointCount: 3, createdAt: instant, updatedAt: instant },
    ]);
    const [row] = await text("threads", "ls", "--session", "trip-1");
    expect(row?.slice(0, 3)).toEqual(["work", "trip-1", "3"]);
  });

  it("lists the checkpoints of a thread, newest first, by pages and by filter", async () => {
    const ids = async (...args: string[]): Promise<unknown> => {
      const { items, nextCursor } = await list("checkpoints", "ls", "work", ...args);
      return [items.map((checkpoint) => checkpoint.checkpointId), nextCursor];
    };
    expect(await ids()).toEqual([["sub-1", "step-2", "step-1"], null]);
    expect(await ids("--namespace", "")).toEqual([["step-2", "step-1"], null]);
    expect(await ids("--namespace", "sub")).toEqual([["sub-1"], null]);
    expect(await ids("--meta", "source=loop")).toEqual([["step-1"], null]);
    expect(await ids("--limit", "2")).toEqual([["sub-1", "step-2"], "before-2"]);
    expect(await ids("--limit", "2", "--cursor", "before-2")).toEqual([["step-1"], null]);
    const rows = await text("checkpoints", "ls", "work", "--namespace", "");
    expect(rows.map((row) => [row[0], row[1], row[2], row[5], row[6], row[7]])).toEqual([
      ["step-2", "", "2", "step-1", "trip-1", "{}"],
      ["step-1", "", "1", "", "trip-1", '{"source":"loop"}'],
    ]);
  });

  it("shows the latest checkpoint with its state in the form of an export", async () => {
    expect(await json("checkpoints", "show", "work", "--writes")).toEqual({
      threadId: "work",
      namespace: "",
      checkpointId: "step-2",
      parentId: "step-1",
      sessionId: "trip-1",
      metadata: {},
      seq: 2,
      createdAt: instant,
      needsParent: false,
      sizeBytes: expect.any(Number),
      data: PORTABLE_STATE,
      writes: [
        {
          taskId: "task-1",
          taskPath: "",
          index: 0,
          channel: "out",
          value: { $waystone: 1, value: { $: "Date", value: "2026-01-31T10:00:00.000Z" } },
        },
      ],
    });
  });

  it("shows another checkpoint, of another namespace", async () => {
    expect(await json("checkpoints", "show", "work", "--id", "step-1")).toMatchObject({ data: { step: 1 } });
    const shown = Object.fromEntries(await text("checkpoints", "show", "work", "--namespace", "sub"));
    expect(shown).toMatchObject({ checkpoint: "sub-1", namespace: "sub", data: "null" });
  });
});

describe("contexts and items", () => {
  it("lists and shows versions of a task context", async () => {
    const { items } = await list("contexts", "ls", "trip-1");
    expect(items.map((context) => [context.version, context.metadata])).toEqual([
      [2, {}],
      [1, { by: "ada" }],
    ]);
    expect((await text("contexts", "ls", "@last")).map(([version]) => version)).toEqual(["2", "1"]);
    expect(await json("contexts", "show", "trip-1")).toMatchObject({ version: 2, context: PORTABLE_STATE });
    expect(Object.fromEntries(await text("contexts", "show", "trip-1", "1"))).toMatchObject({
      version: "1",
      context: '{"goal":"Lyon"}',
    });
  });

  it("lists items below a namespace", async () => {
    expect(await list("items", "ls")).toMatchObject({ count: 2 });
    const { items } = await list("items", "ls", "users", "ada");
    expect(items).toEqual([
      {
        namespace: ["users", "ada"],
        key: "seat",
        value: { side: "window" },
        version: 1,
        createdAt: instant,
        updatedAt: instant,
      },
    ]);
    const [row] = await text("items", "ls", "users", "ada", "--order", "key");
    expect(row?.slice(0, 4)).toEqual(['["users","ada"]', "seat", '{"side":"window"}', "1"]);
    const first = await list("items", "ls", "--limit", "1");
    const second = await list("items", "ls", "--limit", "1", "--cursor", String(first.nextCursor));
    expect(second).toMatchObject({ count: 1, nextCursor: null });
  });
});

describe("health and metrics", () => {
  it("says how the store is", async () => {
    const report = await json("health");
    expect(report).toMatchObject({ backend: "sqlite", tenant: "default", durability: "crash" });
    expect(["healthy", "degraded"]).toContain((report as { status: string }).status);
    const rows = await text("health");
    expect(rows[0]).toEqual(["status", (report as { status: string }).status, "crash"]);
    expect(rows.slice(1).every(([, status]) => status === "ok" || status === "warning")).toBe(true);
  });

  it("counts what is stored", async () => {
    expect(await json("metrics")).toMatchObject({
      backend: "sqlite",
      tenant: "default",
      sessions: { value: 4 },
      messages: { value: 6 },
      checkpoints: { value: 4 },
      requests: { value: 1234 },
    });
    const rows = await text("metrics");
    expect(rows.find(([name]) => name === "messages")?.[1]).toBe("6");
    expect(rows.every(([, , precision]) => precision === "exact" || precision === "estimate")).toBe(true);
  });
});

describe("a tenant", () => {
  it("sees nothing of another", async () => {
    expect(await list("sessions", "ls", "--tenant", "acme")).toMatchObject({ count: 0 });
    expect((await runCommand(["sessions", "show", "trip-1"], { env: { ...env, WAYSTONE_TENANT: "acme" } })).code).toBe(
      3,
    );
  });
});

describe("a store in memory", () => {
  it("is empty, and people are told so", async () => {
    const [plain, withJson] = await Promise.all([
      run("sessions", "ls", "-u", "memory:"),
      run("sessions", "ls", "-u", "memory:", "--json"),
    ]);
    expect(plain).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("memory:") });
    expect(withJson).toMatchObject({ code: 0, stdout: '{"items":[],"nextCursor":null,"count":0}\n', stderr: "" });
  });
});

const READERS = [
  ["sessions", "ls"],
  ["sessions", "show", "evil"],
  ["sessions", "show", "nobody\x1b[31m"],
  ["history", "trip-1", "--full"],
  ["threads", "ls"],
  ["threads", "rm", `thread${HOSTILE}`],
  ["sessions", "rm", `evil${HOSTILE}`],
  ["sessions", "rm", `evil${HOSTILE}`, "--dry-run"],
  ["cleanup", "--max-idle-hours", "0"],
  ["checkpoints", "ls", `thread${HOSTILE}`],
  ["checkpoints", "show", `thread${HOSTILE}`, "--namespace", `space${HOSTILE}`],
  ["checkpoints", "show", "work", "--writes"],
  ["checkpoints", "rm", "work", HOSTILE],
  ["checkpoints", "rm", `thread${HOSTILE}`, HOSTILE, "--namespace", `space${HOSTILE}`, "--dry-run"],
  ["checkpoints", "show", "work", "--id", HOSTILE],
  ["contexts", "show", "trip-1"],
  ["items", "ls"],
  ["history", HOSTILE],
  ["sessions", "ls", `--${HOSTILE}`],
  [`command${HOSTILE}`],
];

describe("stored and typed text", () => {
  it.each(READERS.map((args) => ({ args })))("does not reach the terminal raw: $args", async ({ args }) => {
    const results = await Promise.all([run(...args), run(...args, "--json")]);
    for (const { stdout, stderr } of results) {
      expect(stdout + stderr).not.toMatch(HARMFUL);
      expect(stdout + stderr).not.toMatch(/^forged/m);
    }
  });
});
