// A process that dies at any write of a turn: the same turn id again loses nothing and doubles nothing.
import { describe, expect, it } from "vitest";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { contextEngine, type Turn, type TurnOutcome } from "../../src/engine/index.js";
import { Interrupted, type Interruption, interruptedStorage } from "./interrupted-storage.js";
import { storages } from "./storages.js";

/** Every write of the turn below: journal, context, messages, two checkpoints, counters, end of the journal. */
const WRITES = 7;

const interruptions: readonly Interruption[] = Array.from({ length: WRITES }, (_, index) => [
  { at: index + 1, applied: false },
  { at: index + 1, applied: true },
]).flat();

/** Work that leaves something else each time, as a model does. */
function workOf(run: string, failing = false) {
  return (turn: Turn): string => {
    for (let index = 0; index <= run.length; index++) turn.message("user", `${run} ${index}`);
    turn.context({ run });
    turn.checkpoint({ run, step: 1 });
    turn.checkpoint({ run, step: 2 });
    if (failing) throw new Error(run);
    return run;
  };
}

async function stored(storage: StorageBackend) {
  const [messages, versions, checkpoints, session] = await Promise.all([
    storage.getConversationHistory("s", { limit: 1000 }),
    storage.listTaskContextVersions("s"),
    storage.listCheckpoints("s", { data: true }),
    storage.getSession("s"),
  ]);
  const context = await storage.getTaskContext("s");
  return { messages: messages.map(({ content }) => content), versions, context, checkpoints, session };
}

/** What one run leaves when it is recorded alone, exactly once. */
async function expectOneRun(storage: StorageBackend, run: string, requests = 1, errors = 0): Promise<void> {
  const found = await stored(storage);
  expect(found.messages).toEqual(Array.from({ length: run.length + 1 }, (_, index) => `${run} ${index}`));
  expect(found.versions).toHaveLength(1);
  expect(found.context?.context).toEqual({ run });
  expect(found.checkpoints.map(({ data }) => data)).toEqual([
    { run, step: 2 },
    { run, step: 1 },
  ]);
  expect(found.session).toMatchObject({ requestCount: requests, errorCount: errors });
}

async function newSession(open: () => StorageBackend): Promise<StorageBackend> {
  const storage = open();
  await storage.createSession("s", "u");
  return storage;
}

describe.each(storages)("a turn interrupted over $name", ({ open }) => {
  it(`makes ${WRITES} writes`, async () => {
    const storage = interruptedStorage(await newSession(open));
    await contextEngine(storage).turn("s", { turnId: "t" }, workOf("first"));
    expect([...storage.writes].sort()).toEqual([
      "addConversationMessages",
      "storeCheckpoint",
      "storeCheckpoint",
      "storeCheckpoint",
      "storeCheckpoint",
      "storeTaskContext",
      "updateSession",
    ]);
    expect([storage.writes[0], storage.writes.at(-1)]).toEqual(["storeCheckpoint", "storeCheckpoint"]);
  });

  it.each(interruptions)("at write $at, applied: $applied, is completed by the next run", async (interruption) => {
    const storage = await newSession(open);
    const dying = contextEngine(interruptedStorage(storage, interruption));
    await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);

    const journaled = interruption.at > 1 || interruption.applied;
    const again = await contextEngine(storage).turn("s", { turnId: "t" }, workOf("again"));
    expect(again).toMatchObject({ replayed: journaled, result: journaled ? "first" : "again", attempt: 1 });
    await expectOneRun(storage, journaled ? "first" : "again");

    const third = await contextEngine(storage).turn("s", { turnId: "t" }, workOf("third"));
    expect(third).toEqual({ ...again, replayed: true });
    await expectOneRun(storage, again.result);
  });

  it("survives that the process which completes it dies too, wherever", async () => {
    for (const first of interruptions) {
      for (const second of interruptions) {
        const storage = await newSession(open);
        const results: (TurnOutcome<string> | undefined)[] = [];
        for (const [run, interruption] of [
          ["first", first],
          ["second", second],
          ["third", undefined],
        ] as const) {
          const engine = contextEngine(interruptedStorage(storage, interruption));
          const turn = engine.turn("s", { turnId: "t" }, workOf(run));
          results.push(
            await turn.catch((error: unknown) => {
              if (error instanceof Interrupted) return undefined;
              throw error;
            }),
          );
        }
        const last = results.at(-1);
        const where = `first at ${JSON.stringify(first)}, second at ${JSON.stringify(second)}`;
        expect(last?.result, where).toBeDefined();
        await expectOneRun(storage, last?.result ?? "none");
      }
    }
  });

  it.each(interruptions)(
    "as a record, at write $at, applied: $applied, is completed by the same record",
    async (at) => {
      const storage = await newSession(open);
      const record = {
        turnId: "t",
        durationSeconds: 1,
        result: "first",
        messages: Array.from({ length: 6 }, (_, index) => ({ role: "user", content: `first ${index}` })),
        context: { value: { run: "first" }, expectedVersion: 0 },
        checkpoints: [{ data: { run: "first", step: 1 } }, { data: { run: "first", step: 2 } }],
      };
      const dying = contextEngine(interruptedStorage(storage, at));
      await expect(dying.recordTurn("s", record)).rejects.toThrow(Interrupted);
      await contextEngine(storage).recordTurn("s", record);
      await expectOneRun(storage, "first");
      expect((await storage.getSession("s"))?.totalProcessingTime).toBe(1);
    },
  );

  it.each(interruptions)(
    "in its failure, at write $at, applied: $applied, is completed and then run again",
    async (at) => {
      const storage = await newSession(open);
      const dying = contextEngine(interruptedStorage(storage, at), { onTurnNotRecorded: () => {} });
      const failing = dying.turn("s", { turnId: "t", recordOnError: true }, workOf("bad", true));
      await expect(failing).rejects.toThrow("bad");
      const again = await contextEngine(storage).turn("s", { turnId: "t" }, workOf("good"));
      const journaled = at.at > 1 || at.applied;
      expect(again).toMatchObject({ replayed: false, result: "good", attempt: journaled ? 2 : 1 });
      if (!journaled) return expectOneRun(storage, "good");
      const found = await stored(storage);
      expect(found.messages).toEqual([
        "bad 0",
        "bad 1",
        "bad 2",
        "bad 3",
        "good 0",
        "good 1",
        "good 2",
        "good 3",
        "good 4",
      ]);
      expect(found.versions).toHaveLength(2);
      expect(found.checkpoints).toHaveLength(4);
      expect(found.session).toMatchObject({ requestCount: 2, errorCount: 1 });
    },
  );

  it.each(interruptions)(
    "at write $at, applied: $applied, stands although others have gone on",
    async (interruption) => {
      const storage = await newSession(open);
      const dying = contextEngine(interruptedStorage(storage, interruption));
      await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);
      const engine = contextEngine(storage);
      for (let other = 0; other < 3; other++) {
        await engine.turn("s", { turnId: `other ${other}` }, (turn) => {
          turn.message("user", "other");
          turn.context({ other });
        });
      }
      const { result } = await engine.turn("s", { turnId: "t" }, workOf("again"));
      const found = await stored(storage);
      expect(found.messages.filter((content) => content !== "other")).toHaveLength(result.length + 1);
      expect(found.messages.filter((content) => content === "other")).toHaveLength(3);
      expect(found.versions).toHaveLength(4);
      expect(found.session).toMatchObject({ requestCount: 4 });
    },
  );

  it("does not bring its context back when so many newer ones came that it may have been among those dropped", async () => {
    const storage = await newSession(open);
    // Dies with the context stored and nothing else.
    const dying = contextEngine(interruptedStorage(storage, { at: 2, applied: true }));
    await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);
    for (let other = 0; other < 60; other++) await storage.storeTaskContext("s", { other });
    const outcome = await contextEngine(storage).turn("s", { turnId: "t" }, workOf("again"));
    expect(outcome).toMatchObject({ replayed: true, result: "first" });
    expect(outcome.contextVersion).toBeUndefined();
    expect(await storage.getTaskContext("s")).toMatchObject({ version: 61, context: { other: 59 } });
    expect(await storage.getConversationHistory("s")).toHaveLength(6);
  });

  it("takes no context for its own that a turn of the same id has stored for a session that shares it", async () => {
    const storage = await newSession(open);
    await storage.createSession("s2", "u");
    await storage.storeTaskContext("s", "common");
    await storage.shareTaskContext("s", "s2");
    const dying = contextEngine(interruptedStorage(storage, { at: 1, applied: true }));
    await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);
    const engine = contextEngine(storage);
    expect(await engine.turn("s2", { turnId: "t" }, workOf("other"))).toMatchObject({ contextVersion: 2 });
    expect(await engine.turn("s", { turnId: "t" }, workOf("again"))).toMatchObject({
      result: "first",
      contextVersion: 3,
    });
  });

  it("is found by nobody until it is completely recorded", async () => {
    const storage = await newSession(open);
    const engine = contextEngine(storage);
    const dying = contextEngine(interruptedStorage(storage, { at: WRITES, applied: false }));
    await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);
    expect(await engine.findTurn("s", "t")).toBeUndefined();
    await engine.turn("s", { turnId: "t" }, workOf("again"));
    expect(await engine.findTurn("s", "t")).toMatchObject({ result: "first" });
  });

  it("whose context was refused while it was completed runs again", async () => {
    const storage = await newSession(open);
    const work = (run: string) => async (turn: Turn) => {
      const version = (await storage.getTaskContext("s"))?.version ?? 0;
      turn.message("user", run);
      turn.context({ run }, { expectedVersion: version });
      return run;
    };
    const dying = contextEngine(interruptedStorage(storage, { at: 1, applied: true }));
    await expect(dying.turn("s", { turnId: "t" }, work("first"))).rejects.toThrow(Interrupted);
    await storage.storeTaskContext("s", "other");
    const outcome = await contextEngine(storage).turn("s", { turnId: "t" }, work("again"));
    expect(outcome).toMatchObject({ replayed: false, attempt: 2, result: "again", contextVersion: 2 });
    expect((await stored(storage)).messages).toEqual(["again"]);
    expect(await storage.getSession("s")).toMatchObject({ requestCount: 1 });
  });

  it("is completed once by many at the same time", async () => {
    for (const interruption of interruptions) {
      const storage = await newSession(open);
      const dying = contextEngine(interruptedStorage(storage, interruption));
      await expect(dying.turn("s", { turnId: "t" }, workOf("first"))).rejects.toThrow(Interrupted);
      const engine = contextEngine(storage);
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, (_, index) => engine.turn("s", { turnId: "t" }, workOf(`run ${index}`))),
      );
      const results = new Set(outcomes.map(({ result }) => result));
      expect(results.size).toBe(1);
      await expectOneRun(storage, outcomes[0]?.result ?? "none");
    }
  });
});
