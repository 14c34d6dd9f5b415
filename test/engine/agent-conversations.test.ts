// Conversations between agents: told apart by their participants, found from their session, and gone with it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contextEngine, type Participant, recipientOf, senderOf } from "../../src/engine/index.js";
import { interruptedStorage } from "./interrupted-storage.js";
import { storages } from "./storages.js";

const ids = (...names: string[]): Participant[] => names.map((id) => ({ id }));

describe.each(storages)("a conversation between agents over $name", ({ open }) => {
  const opened = async () => {
    const storage = open();
    const engine = contextEngine(storage);
    return { storage, engine, session: await engine.open("s", { userId: "u", ttlMs: 1_000_000 }) };
  };

  it("keeps what its participants say, with sender and recipient", async () => {
    const { engine, session } = await opened();
    const talk = await session.between([{ id: "planner" }, { id: "coder", role: "worker" }], { kind: "review" });
    expect(talk).toMatchObject({ parentId: "s", kind: "review", directed: false });
    const sent = await talk.send("do it", { from: "planner", to: "coder", metadata: { n: 1 }, messageId: "m" });
    expect(sent).toMatchObject({ role: "assistant", messageId: "m", metadata: { n: 1 }, sessionId: talk.sessionId });
    await talk.send([{ type: "text", text: "done" }], { from: { id: "coder", role: "worker" }, role: "user" });
    const history = await talk.history();
    expect(history.map(senderOf)).toEqual([{ id: "planner" }, { id: "coder", role: "worker" }]);
    expect(history.map(recipientOf)).toEqual([{ id: "coder", role: "worker" }, undefined]);
    expect(await talk.window({ maxMessages: 1 })).toMatchObject({ messages: [{ role: "user" }] });
    expect(await talk.compact({ strategy: "truncate", keepLast: 1 })).toMatchObject({ compacted: true });
    expect((await talk.follow().next()).value).toMatchObject({ content: "do it" });
    expect(await session.history()).toEqual([]);
    expect(await engine.sessions.get(talk.sessionId)).toMatchObject({ userId: "u", ttlMs: 1_000_000 });
  });

  it("is the same in any order, and whoever opens it", async () => {
    const { engine, session } = await opened();
    const one = await session.between(ids("a", "b", "c"));
    await one.send("hello", { from: "a" });
    const other = await engine.conversations.between("s", ids("c", "a", "b"));
    expect(other.sessionId).toBe(one.sessionId);
    expect(other.participants).toEqual(one.participants);
    expect(await other.history()).toHaveLength(1);
  });

  it("is another one for other participants, another kind, direction or session", async () => {
    const { engine, session } = await opened();
    await engine.open("s2", { userId: "u" });
    const talks = await Promise.all([
      session.between(ids("a", "b")),
      session.between(ids("a", "b"), { kind: "other" }),
      session.between(ids("a", "b"), { directed: true }),
      session.between(ids("b", "a"), { directed: true }),
      session.between(ids("a", "b", "c")),
      session.between(ids("a/b", "c")),
      session.between(ids("a", "b/c")),
      session.between([{ id: "a", role: "b" }, { id: "c" }]),
      session.between([{ id: "a" }, { id: "b", role: "a" }]),
      session.between([
        { id: "a", role: "agent" },
        { id: "a", role: "user" },
      ]),
      session.between(ids("x".repeat(512), "y".repeat(512))),
      session.between(ids("x".repeat(512), "z".repeat(512))),
      engine.conversations.between("s2", ids("a", "b")),
    ]);
    expect(new Set(talks.map(({ sessionId }) => sessionId)).size).toBe(talks.length);
    await Promise.all(
      talks.map((talk, index) => talk.send(String(index), { from: talk.participants[0] as Participant })),
    );
    const said = await Promise.all(talks.map(async (talk) => (await talk.history()).map(({ content }) => content)));
    expect(said).toEqual(talks.map((_, index) => [String(index)]));
  });

  it("never mixes two pairs, whatever their names", async () => {
    const name = fc.string({ unit: fc.constantFrom("a", "b", "/", "~", ":", "2"), minLength: 1, maxLength: 3 });
    const participant = fc.record({ id: name, role: fc.option(name, { nil: undefined }) });
    const key = (each: Participant) => JSON.stringify([each.id, each.role ?? null]);
    const pair = fc.uniqueArray(participant, { minLength: 2, maxLength: 3, selector: key });
    const { session } = await opened();
    const sessionOf = new Map<string, string>();
    await fc.assert(
      fc.asyncProperty(pair, fc.boolean(), async (participants, directed) => {
        const { sessionId } = await session.between(participants, { directed });
        const names = participants.map(key);
        const identity = JSON.stringify([directed, directed ? names : names.sort()]);
        const known = sessionOf.get(identity) ?? sessionId;
        expect(known).toBe(sessionId);
        sessionOf.set(identity, sessionId);
        expect(new Set(sessionOf.values()).size).toBe(sessionOf.size);
      }),
      { numRuns: 300 },
    );
  });

  it("lets only its participants speak, and in a directed one only the first", async () => {
    const { session } = await opened();
    const refused = { code: "INVALID_ARGUMENT" };
    const talk = await session.between([{ id: "a", role: "x" }, { id: "a", role: "y" }, { id: "b" }]);
    await expect(talk.send("", { from: "c" })).rejects.toMatchObject(refused);
    await expect(talk.send("", { from: "a" })).rejects.toMatchObject(refused);
    await expect(talk.send("", { from: { id: "b", role: "x" } })).rejects.toMatchObject(refused);
    await expect(talk.send("", { from: "b", to: "b" })).rejects.toMatchObject(refused);
    await expect(talk.send("", { from: "b", metadata: { "waystone.sender": "a" } })).rejects.toMatchObject(refused);
    const directed = await session.between(ids("b", "a"), { directed: true });
    expect(directed.participants).toEqual(ids("b", "a"));
    await expect(directed.send("", { from: "a" })).rejects.toMatchObject(refused);
    await directed.send("fine", { from: "b", to: "a" });
    expect(await talk.history()).toEqual([]);
  });

  it("is opened once by many at the same time", async () => {
    const { storage, session } = await opened();
    const talks = await Promise.all(Array.from({ length: 10 }, () => session.between(ids("a", "b"))));
    await Promise.all(talks.map((talk) => talk.send("x", { from: "a" })));
    expect(await talks[0]?.history()).toHaveLength(10);
    expect((await storage.listSessions()).items).toHaveLength(2);
  });

  it("is listed with its session, page by page, and left out of the list of sessions unless asked for", async () => {
    const { engine, session } = await opened();
    await engine.open("s2", { userId: "u" });
    for (const id of ["b", "c", "d"]) await session.between(ids("a", id), { metadata: { about: id } });
    await engine.conversations.between("s2", ids("a", "z"));
    const first = await engine.conversations.listBetween("s", { limit: 2 });
    const rest = await engine.conversations.listBetween("s", { limit: 2, cursor: first.nextCursor });
    const listed = [...first.items, ...rest.items].map(({ participants }) => participants[1]?.id);
    expect(listed.sort()).toEqual(["b", "c", "d"]);
    await first.items[0]?.send("usable", { from: "a" });
    expect((await engine.sessions.list()).items.map(({ sessionId }) => sessionId).sort()).toEqual(["s", "s2"]);
    expect((await engine.sessions.list({ conversations: true })).items).toHaveLength(6);
    expect((await engine.sessions.list({ conversations: true, metadata: { about: "c" } })).items).toHaveLength(1);
  });

  it("goes with its session, also those of conversations themselves, and more than a page of them", async () => {
    const { storage, engine, session } = await opened();
    for (let index = 0; index < 120; index++) await session.between(ids("a", `b${index}`));
    const talk = await session.between(ids("a", "b"));
    const inner = await engine.conversations.between(talk.sessionId, ids("x", "y"));
    await inner.send("deep", { from: "x" });
    await engine.open("other", { userId: "u" });
    await engine.conversations.between("other", ids("a", "b"));
    expect(await engine.sessions.delete("s")).toBe(true);
    const left = (await storage.listSessions({ limit: 1000 })).items.map(({ sessionId }) => sessionId);
    expect(left.sort()).toEqual(["other", "waystone.between/other/agent-to-agent/any/~2/a/~2/b"]);
    await expect(talk.send("late", { from: "a" })).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    expect(await engine.sessions.delete("s")).toBe(false);
  });

  it("is deleted by the next try when a deletion was interrupted anywhere", async () => {
    for (let at = 1; at <= 4; at++) {
      const { storage, engine, session } = await opened();
      for (const id of ["b", "c"]) await session.between(ids("a", id));
      const dying = contextEngine(interruptedStorage(storage, { at, applied: true }));
      await dying.sessions.delete("s").catch(() => undefined);
      await engine.sessions.delete("s");
      expect((await storage.listSessions()).items).toEqual([]);
    }
  });

  it("is not left behind when its session is deleted while it is opened", async () => {
    const { storage, engine } = await opened();
    const meddling = new Proxy(storage, {
      get: (target, name) =>
        name !== "createSession"
          ? Reflect.get(target, name)
          : async (...args: Parameters<typeof storage.createSession>) => {
              await engine.sessions.delete("s");
              return target.createSession(...args);
            },
    });
    const opening = contextEngine(meddling).conversations.between("s", ids("a", "b"));
    await expect(opening).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    expect((await storage.listSessions()).items).toEqual([]);
  });

  it("goes with its session also when it is opened while that is deleted", async () => {
    const { storage, engine } = await opened();
    const meddling = new Proxy(storage, {
      get: (target, name) =>
        name !== "deleteSession"
          ? Reflect.get(target, name)
          : async (id: string) => {
              if (id === "s") await engine.conversations.between("s", ids("a", "b"));
              return target.deleteSession(id);
            },
    });
    expect(await contextEngine(meddling).sessions.delete("s")).toBe(true);
    expect((await storage.listSessions()).items).toEqual([]);
  });

  it("needs its session, and writes nothing without it", async () => {
    const { storage, engine } = await opened();
    const opening = engine.conversations.between("absent", ids("a", "b"));
    await expect(opening).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    expect((await storage.listSessions()).items).toHaveLength(1);
  });

  it("does not take a session that somebody else has made for one", async () => {
    const { storage, session } = await opened();
    await storage.createSession("waystone.between/s/agent-to-agent/any/~2/a/~2/b", "u");
    await expect(session.between(ids("a", "b"))).rejects.toMatchObject({ code: "CONFLICT" });
    await storage.createSession("fake", "u", { metadata: { "waystone.parent": "s" } });
    const listing = contextEngine(storage).conversations.listBetween("s");
    await expect(listing).rejects.toMatchObject({ code: "CORRUPTION" });
  });

  it("ends the deletion of sessions that name each other as parents", async () => {
    const { storage, engine } = await opened();
    await storage.createSession("x", "u", { metadata: { "waystone.parent": "y" } });
    await storage.createSession("y", "u", { metadata: { "waystone.parent": "x" } });
    await storage.createSession("z", "u", { metadata: { "waystone.parent": "z" } });
    expect(await engine.sessions.delete("x")).toBe(true);
    expect(await engine.sessions.delete("z")).toBe(true);
    expect((await storage.listSessions()).items.map(({ sessionId }) => sessionId)).toEqual(["s"]);
  });
});
