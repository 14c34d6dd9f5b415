// Followers see each message once, in order, and leave nothing behind when they stop.
import { describe, expect, it } from "vitest";
import { contextEngine, type EngineOptions, type Wait } from "../../src/engine/index.js";
import { settlesWithin } from "../../src/testing/in-time.js";
import { interruptedStorage } from "./interrupted-storage.js";
import { storages } from "./storages.js";

describe.each(storages)("a follower over $name", ({ open }) => {
  const opened = async (options?: EngineOptions) => {
    const engine = contextEngine(open(), options);
    return { engine, session: await engine.open("s", { userId: "u" }) };
  };

  it("sees every message once while others write", async () => {
    const { session } = await opened();
    const seen: number[] = [];
    const follower = (async () => {
      for await (const { seq } of session.follow({ pollMs: 1, pageSize: 7, untilEnded: true })) seen.push(seq);
    })();
    const writers = Array.from({ length: 5 }, async (_, writer) => {
      for (let index = 0; index < 40; index++) await session.append("user", `${writer} ${index}`);
    });
    await Promise.all(writers);
    await session.end();
    await follower;
    expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  });

  it("begins after the message that it is told", async () => {
    const { session } = await opened();
    await session.appendAll(["a", "b", "c"].map((content) => ({ role: "user", content })));
    await session.end();
    const seen: unknown[] = [];
    for await (const { content } of session.follow({ after: 1, untilEnded: true })) seen.push(content);
    expect(seen).toEqual(["b", "c"]);
  });

  it("waits as it is told when there is nothing new", async () => {
    const waits: number[] = [];
    const wait: Wait = async (ms) => {
      waits.push(ms);
      if (waits.length === 3) await session.end();
      else await session.append("user", `${waits.length}`);
    };
    const { session } = await opened({ wait });
    const seen: unknown[] = [];
    for await (const { content } of session.follow({ pollMs: 123, untilEnded: true })) seen.push(content);
    expect(seen).toEqual(["1", "2"]);
    expect(waits).toEqual([123, 123, 123]);
  });

  it("sees what comes between the look at the session and its end", async () => {
    const { engine } = await opened();
    const storage = interruptedStorage(engine.storage);
    const meddling = new Proxy(storage, {
      get: (target, name) =>
        name !== "getSession"
          ? Reflect.get(target, name)
          : async () => {
              const session = await target.getSession("s");
              if (session?.status === "active") {
                await target.addConversationMessage("s", "user", "last");
                await target.endSession("s");
              }
              return session;
            },
    });
    const seen: unknown[] = [];
    const follower = contextEngine(meddling).conversations.follow("s", { pollMs: 1, untilEnded: true });
    for await (const { content } of follower) seen.push(content);
    expect(seen).toEqual(["last"]);
  });

  it("ends without an error when its signal fires: while it waits, while it reads, and before", async () => {
    const { session } = await opened();
    await session.append("user", "x");
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    const waiting = new AbortController();
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const { content } of session.follow({ pollMs: 60_000, signal: waiting.signal })) {
        seen.push(content);
        setTimeout(() => waiting.abort(), 10);
      }
    };
    const reads = read();
    expect(await settlesWithin(10_000, [reads])).toBe(true);
    await reads;
    const reading = new AbortController();
    for await (const { content } of session.follow({ signal: reading.signal })) {
      seen.push(content);
      reading.abort();
    }
    for await (const { content } of session.follow({ signal: AbortSignal.abort() })) seen.push(content);
    expect(seen).toEqual(["x", "x"]);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("stops reading when its reader stops", async () => {
    const { engine, session } = await opened();
    const storage = interruptedStorage(engine.storage);
    await session.appendAll(["a", "b"].map((content) => ({ role: "user", content })));
    for await (const message of contextEngine(storage).conversations.follow("s")) {
      expect(message.content).toBe("a");
      break;
    }
    expect(storage.calls).toEqual(["getConversationHistory"]);
  });

  it("passes on what the storage throws", async () => {
    const { engine } = await opened();
    await engine.storage.close();
    const next = engine.conversations.follow("s").next();
    await expect(next).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("ends for a session that is gone", async () => {
    const { engine, session } = await opened();
    await engine.sessions.delete("s");
    expect(await session.follow({ untilEnded: true }).next()).toEqual({ done: true, value: undefined });
  });
});
