// Task contexts: versions, and changes that are never lost.
import { describe, expect, it, vi } from "vitest";
import { contextEngine, type Wait } from "../../src/engine/index.js";
import { storages } from "./storages.js";

const count = (current: unknown) => ({ n: ((current as { n: number } | undefined)?.n ?? 0) + 1 });

describe.each(storages)("a task context over $name", ({ open }) => {
  const opened = async (wait?: Wait) => {
    const engine = contextEngine(open(), { wait });
    return { engine, session: await engine.open("s", { userId: "u" }) };
  };

  it("is saved in versions, and read back in any of them", async () => {
    const { engine, session } = await opened();
    expect(await session.context()).toBeUndefined();
    await session.saveContext({ step: 1 }, { metadata: { by: "a" } });
    await session.saveContext({ step: 2 }, { expectedVersion: 1 });
    await expect(session.saveContext({ step: 3 }, { expectedVersion: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await session.context()).toMatchObject({ version: 2, context: { step: 2 } });
    expect(await session.context({ version: 1 })).toMatchObject({ context: { step: 1 } });
    expect(await engine.contexts.history("s")).toMatchObject([{ version: 2 }, { version: 1, metadata: { by: "a" } }]);
  });

  it("loses no change of many that are made at the same time", async () => {
    const { session } = await opened();
    await Promise.all(Array.from({ length: 12 }, () => session.updateContext(count, { attempts: 100 })));
    expect(await session.context()).toMatchObject({ version: 12, context: { n: 12 } });
  });

  it("is changed from what is stored, first and later", async () => {
    const { session } = await opened();
    const change = vi.fn((current: unknown, _version: number) => [current]);
    expect(await session.updateContext(change, { metadata: { by: "b" } })).toMatchObject({
      version: 1,
      context: [undefined],
    });
    expect(await session.updateContext(change)).toMatchObject({ version: 2, context: [[undefined]] });
    expect(change.mock.calls.map(([, version]) => version)).toEqual([0, 1]);
    expect(await session.context({ version: 1 })).toMatchObject({ metadata: { by: "b" } });
  });

  it("gives up after so many lost races as it is told, waiting between them", async () => {
    const waits: number[] = [];
    const { session } = await opened(async (ms) => void waits.push(ms));
    let runs = 0;
    const racing = session.updateContext(
      async () => {
        runs += 1;
        await session.saveContext("somebody else's");
        return "mine";
      },
      { attempts: 3 },
    );
    await expect(racing).rejects.toMatchObject({ code: "CONFLICT" });
    expect([runs, waits.length]).toEqual([3, 2]);
    for (const ms of waits) expect(ms).toBeLessThanOrEqual(100);
    expect(await session.context()).toMatchObject({ version: 3, context: "somebody else's" });
  });

  it("passes on what the change throws, and what the storage refuses, at once", async () => {
    const { engine, session } = await opened();
    const failing = session.updateContext(() => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await expect(session.updateContext(() => () => 1)).rejects.toMatchObject({ code: "SERIALIZATION" });
    await expect(engine.contexts.update("absent", count)).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    expect(await session.context()).toBeUndefined();
  });

  it("is shared by sessions, turns of the same id included", async () => {
    const { engine, session } = await opened();
    const other = await engine.open("s2", { userId: "u" });
    await session.saveContext("common");
    await engine.contexts.share("s", "s2");
    await session.turn({ turnId: "t" }, (turn) => turn.context("from s"));
    await other.turn({ turnId: "t" }, (turn) => turn.context("from s2"));
    expect(await session.context()).toMatchObject({ version: 3, context: "from s2" });
    expect((await other.context({ version: 2 }))?.context).toBe("from s");
  });

  it("is written under the lease of its handle", async () => {
    const { engine } = await opened();
    const lease = await engine.storage.acquireLease({ session: "s" }, { owner: "one", ttlMs: 1000 });
    const newer = await engine.storage.acquireLease({ session: "s" }, { owner: "one", ttlMs: 1000 });
    const stale = engine.session("s", { lease });
    const fenced = { code: "FENCED" };
    await expect(stale.saveContext(1)).rejects.toMatchObject(fenced);
    await expect(stale.updateContext(count)).rejects.toMatchObject(fenced);
    await expect(stale.append("user", "x")).rejects.toMatchObject(fenced);
    await expect(stale.appendAll([{ role: "user", content: "x" }])).rejects.toMatchObject(fenced);
    await expect(stale.checkpoint(1)).rejects.toMatchObject(fenced);
    await expect(stale.touch()).rejects.toMatchObject(fenced);
    await expect(stale.end()).rejects.toMatchObject(fenced);
    await expect(stale.recordTurn({ turnId: "t", durationSeconds: 0 })).rejects.toMatchObject(fenced);
    expect(await engine.session("s", { lease: newer }).updateContext(count)).toMatchObject({ version: 1 });
    expect(await stale.append("user", "x", { lease: newer })).toMatchObject({ seq: 1 });
  });
});
