// Sessions through the engine: start, resume, describe, end, count.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { contextEngine } from "../../src/engine/index.js";
import { storages } from "./storages.js";

describe.each(storages)("sessions over $name", ({ open, openRoot }) => {
  it("are started once, and opened any number of times", async () => {
    const { sessions, ...engine } = contextEngine(open());
    const started = await sessions.start("s", "u", { metadata: { a: 1 }, ttlMs: 5000 });
    expect(started).toMatchObject({ userId: "u", metadata: { a: 1 }, ttlMs: 5000 });
    await expect(sessions.start("s", "u")).rejects.toMatchObject({ code: "SESSION_EXISTS" });
    const handle = await engine.open("s", { userId: "u", metadata: { b: 2 }, ttlMs: 1 });
    expect(handle.resumed).toBe(true);
    expect(handle.opened).toEqual(started);
    expect(await engine.open("new", { userId: "u", metadata: { b: 2 } })).toMatchObject({
      resumed: false,
      opened: { metadata: { b: 2 } },
    });
  });

  it("are created by exactly one of many that open one at the same time", async () => {
    const engine = contextEngine(open());
    const handles = await Promise.all(Array.from({ length: 10 }, () => engine.open("s", { userId: "u" })));
    expect(handles.filter(({ resumed }) => !resumed)).toHaveLength(1);
  });

  it("are only resumed without a user", async () => {
    const engine = contextEngine(open());
    await expect(engine.open("s")).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    await engine.sessions.start("s", "u");
    expect(await engine.open("s")).toMatchObject({ sessionId: "s", resumed: true });
  });

  it("of another user are refused", async () => {
    const engine = contextEngine(open());
    await engine.sessions.start("s", "u");
    await expect(engine.open("s", { userId: "other" })).rejects.toMatchObject({ code: "CONFLICT" });
    const reopening = engine.sessions.resume("s", { userId: "other", reopen: true });
    await expect(reopening).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await engine.sessions.resume("s", { userId: "u" })).toMatchObject({ version: 1 });
  });

  it("that have ended are refused, unless they are reopened", async () => {
    const engine = contextEngine(open());
    const handle = await engine.open("s", { userId: "u" });
    expect(await handle.end("failed")).toMatchObject({ status: "failed" });
    await expect(engine.open("s", { userId: "u" })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(engine.sessions.resume("s")).rejects.toThrow(/has ended as failed; resume it with reopen/);
    const reopened = await engine.open("s", { userId: "u", reopen: true });
    expect(reopened).toMatchObject({ resumed: true, opened: { status: "active", version: 3 } });
    expect(await engine.open("s", { userId: "u", reopen: true })).toMatchObject({ opened: { version: 3 } });
  });

  it("are reopened once by many at the same time", async () => {
    const engine = contextEngine(open());
    await (await engine.open("s", { userId: "u" })).end();
    await Promise.all(Array.from({ length: 8 }, () => engine.open("s", { userId: "u", reopen: true })));
    expect(await engine.sessions.get("s")).toMatchObject({ status: "active", version: 3 });
  });

  it("are created anew when they were deleted between two looks", async () => {
    const storage = open();
    await storage.createSession("s", "u");
    let deleted = false;
    const meddling = new Proxy(storage, {
      get: (target, name) =>
        name !== "getSession"
          ? Reflect.get(target, name)
          : async (id: string) => {
              if (!deleted) await target.deleteSession(id);
              deleted = true;
              return target.getSession(id);
            },
    });
    expect(await contextEngine(meddling).open("s", { userId: "u" })).toMatchObject({ resumed: false });
  });

  it("are described anew by touching them", async () => {
    const { sessions } = contextEngine(open());
    await sessions.start("s", "u", { metadata: { a: 1, b: 2 } });
    const touched = await sessions.touch("s", { metadata: { c: 3 }, unsetMetadata: ["a"] });
    expect(touched).toMatchObject({ metadata: { b: 2, c: 3 }, version: 2 });
    expect(await sessions.touch("s")).toMatchObject({ metadata: { b: 2, c: 3 }, version: 3 });
    await expect(sessions.touch("absent")).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
  });

  it("keep the engine's own metadata to the engine", async () => {
    const { sessions, ...engine } = contextEngine(open());
    const metadata = { "waystone.parent": "other" };
    const refused = { code: "INVALID_ARGUMENT" };
    await expect(sessions.start("s", "u", { metadata })).rejects.toMatchObject(refused);
    await expect(engine.open("s", { userId: "u", metadata })).rejects.toMatchObject(refused);
    await sessions.start("s", "u");
    await expect(sessions.touch("s", { metadata })).rejects.toMatchObject(refused);
    await expect(sessions.touch("s", { unsetMetadata: ["waystone.parent"] })).rejects.toMatchObject(refused);
  });

  it("are listed and deleted", async () => {
    const { sessions } = contextEngine(open());
    for (const id of ["a", "b", "c"]) await sessions.start(id, id === "c" ? "v" : "u");
    expect((await sessions.list({ userId: "u" })).items).toHaveLength(2);
    const page = await sessions.list({ limit: 2 });
    expect((await sessions.list({ limit: 2, cursor: page.nextCursor })).items).toHaveLength(1);
    expect([await sessions.delete("a"), await sessions.delete("a")]).toEqual([true, false]);
  });

  it("tell what their counters mean", async () => {
    const engine = contextEngine(open());
    await engine.open("s", { userId: "u" });
    expect(await engine.sessions.metrics("s")).toEqual({
      requestCount: 0,
      errorCount: 0,
      errorRate: 0,
      totalProcessingTime: 0,
      meanProcessingTime: 0,
      messageCount: 0,
    });
    const messages = [{ role: "user", content: "x" }];
    await engine.recordTurn("s", { turnId: "1", durationSeconds: 1.5, messages });
    await engine.recordTurn("s", { turnId: "2", durationSeconds: 0.5, error: new Error("x") });
    expect(await engine.sessions.metrics("s")).toEqual({
      requestCount: 2,
      errorCount: 1,
      errorRate: 0.5,
      totalProcessingTime: 2,
      meanProcessingTime: 1,
      messageCount: 1,
    });
    await expect(engine.sessions.metrics("absent")).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
  });

  it("of one tenant are not seen by another", async () => {
    const engine = contextEngine(openRoot());
    const [acme, other] = [engine.tenant("acme"), engine.tenant("other")];
    for (const each of [acme, other]) {
      const session = await each.open("s", { userId: "u" });
      await session.turn({ turnId: "t" }, (turn) => {
        turn.message("user", "x");
        return each.storage.tenantName;
      });
      await session.between([{ id: "a" }, { id: "b" }]);
    }
    await acme.sessions.delete("s");
    expect(await other.findTurn("s", "t")).toMatchObject({ result: "other" });
    expect(await acme.findTurn("s", "t")).toBeUndefined();
    expect((await other.sessions.list({ conversations: true })).items).toHaveLength(2);
    expect((await engine.sessions.list()).items).toEqual([]);
  });

  it("have checkpoints of their own, and others that are linked to them", async () => {
    const engine = contextEngine(open());
    const session = await engine.open("s", { userId: "u" });
    const first = await session.checkpoint({ n: 1 });
    await session.checkpoint(
      { n: 2 },
      { checkpointId: "two", parentId: first.checkpointId, expectedHead: first.checkpointId },
    );
    await session.checkpoint({ n: 3 }, { threadId: "other", namespace: "x" });
    expect(await session.latest()).toMatchObject({ checkpointId: "two", data: { n: 2 }, sessionId: "s" });
    expect(await session.latest({ checkpointId: first.checkpointId })).toMatchObject({ data: { n: 1 } });
    expect(await session.latest({ threadId: "other", namespace: "x" })).toMatchObject({ data: { n: 3 } });
    await session.end();
    await engine.sessions.delete("s");
    expect(await engine.storage.getCheckpoint("other", { namespace: "x" })).toBeUndefined();
  });
});

describe("a session with a time to live", () => {
  it("is gone when that has passed, with its turns; touching keeps it alive", async () => {
    let now = 1_000_000;
    const engine = contextEngine(memoryStorage({ clock: { now: () => now } }));
    const session = await engine.open("s", { userId: "u", ttlMs: 1000 });
    await session.turn({ turnId: "t" }, () => "first");
    now += 900;
    await session.touch();
    now += 900;
    expect(await session.turn({ turnId: "t" }, () => "again")).toMatchObject({ replayed: true });
    now += 1000;
    await expect(session.turn({ turnId: "t" }, () => "gone")).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    const anew = await engine.open("s", { userId: "u", ttlMs: 1000 });
    expect(anew.resumed).toBe(false);
    expect(await anew.turn({ turnId: "t" }, () => "new")).toMatchObject({ replayed: false, result: "new" });
  });
});
