// What is known of a thread or session after writes that cross a copy: when its end is enough, and when nothing is known.
import { expect, it } from "vitest";
import type { StorageRecord } from "../../../src/contract/records.js";
import { additionOf } from "../../../src/layers/failover/additions.js";
import { Growth } from "../../../src/layers/failover/growth.js";
import { Mark } from "../../../src/layers/failover/marks.js";
import { unitName, WHOLE_TENANT } from "../../../src/layers/failover/unit.js";

const AT = "2026-01-01T00:00:00.000Z";
const thread = new Mark(unitName("", { kind: "thread", id: "t" }), "fallback");
const session = new Mark(unitName("", { kind: "session", id: "s" }), "fallback");
const tenant = new Mark(unitName("", WHOLE_TENANT), "fallback");

/** A thread with as many checkpoints. */
function threadOf(checkpoints: number): StorageRecord[] {
  const row: StorageRecord = { kind: "thread", thread_id: "t", created_at: AT, updated_at: AT, last_seq: checkpoints };
  const records: StorageRecord[] = [row];
  for (let seq = 1; seq <= checkpoints; seq += 1) {
    const checkpoint_id = `c${seq}`;
    const place = { thread_id: "t", namespace: "", checkpoint_id, seq };
    records.push({ kind: "checkpoint", ...place, data: seq, metadata: {}, created_at: AT });
  }
  return records;
}

const storing = (growth: Growth, checkpointId: string, options?: object) =>
  growth.begin([thread], additionOf("storeCheckpoint", ["t", checkpointId, 1, options]));
const deletion = (growth: Growth, mark: Mark) => growth.begin([mark], additionOf("deleteThread", ["t"]));

/** What a copy of five checkpoints has left. */
function known(): Growth {
  const growth = new Growth();
  growth.learn("", growth.startPass(), threadOf(5), false);
  return growth;
}

it("a checkpoint that is new goes with the next tail, or has gone with the last", () => {
  const growth = known();
  const store = storing(growth, "c6");
  store.end("done", { seq: 6 });
  expect(growth.thread("", "t")).toMatchObject({ reach: { seq: 5 }, writesAfter: 5, awaited: [] });
  const later = storing(growth, "c7");
  growth.learn("", growth.startPass(), [...threadOf(7).slice(0, 1), ...threadOf(7).slice(6)], true);
  later.end("done", { seq: 7 });
  expect(growth.thread("", "t")?.reach.seq).toBe(7);
});

it("a checkpoint that may be stored again is not known", () => {
  const again = known();
  storing(again, "c5").end("done", { seq: 5 });
  expect(again.thread("", "t")).toBeUndefined();

  // The copy has what one of them stored, and maybe not what the other did.
  const twice = known();
  const [one, other] = [storing(twice, "c6"), storing(twice, "c6")];
  twice.learn("", twice.startPass(), threadOf(6), false);
  one.end("done", { seq: 6 });
  other.end("done", { seq: 6 });
  expect(twice.thread("", "t")).toBeUndefined();
});

it("another link is not a tail", () => {
  const growth = known();
  storing(growth, "c6", { sessionId: "s" }).end("done", { seq: 6 });
  expect(growth.thread("", "t")).toBeUndefined();
});

it("writes are looked for at their checkpoint, or have to come with it", () => {
  const growth = known();
  for (const id of ["c4", "c9"]) growth.begin([thread], additionOf("putWrites", ["t", id, "task", []])).end("done");
  expect(growth.thread("", "t")).toMatchObject({ writesAfter: 3, awaited: ['["","c9"]'] });
});

it.each([
  ["its own", thread],
  ["the tenant's", tenant],
])("a change that crosses a copy leaves nothing known: %s", (_name, mark) => {
  const ended = known();
  const first = deletion(ended, mark);
  const pass = ended.startPass();
  first.end("done");
  ended.learn("", pass, threadOf(5), false);
  expect(ended.thread("", "t")).toBeUndefined();

  const running = known();
  const second = deletion(running, mark);
  running.learn("", running.startPass(), threadOf(5), false);
  expect(running.thread("", "t")).toBeUndefined();
  second.end("nothing");
  running.learn("", running.startPass(), threadOf(5), false);
  expect(running.thread("", "t")?.reach.seq).toBe(5);
});

it("a write without an outcome may come later, so that nothing is known for a while", () => {
  const growth = known();
  storing(growth, "c6").end("unknown");
  growth.learn("", growth.startPass(), threadOf(6), false);
  expect(growth.thread("", "t")).toBeUndefined();
});

it("nothing is known after the store in charge has changed, nor of more additions than are kept", () => {
  const changed = known();
  changed.clear();
  expect(changed.thread("", "t")).toBeUndefined();

  const many = known();
  for (let seq = 6; seq < 300; seq += 1) storing(many, `c${seq}`).end("done", { seq });
  expect(many.thread("", "t")).toBeUndefined();
});

it("the row of a session may be written by anything that only adds", () => {
  const row: StorageRecord = {
    kind: "session",
    session_id: "s",
    user_id: "ada",
    created_at: AT,
    updated_at: AT,
    status: "active",
    metadata: {},
    metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
    version: 1,
    last_seq: 3,
  };
  const growth = new Growth();
  growth.learn("", growth.startPass(), [row], false);
  for (const operation of ["addConversationMessage", "updateSession", "endSession"] as const) {
    growth.begin([session], additionOf(operation, ["s"])).end("done");
  }
  expect(growth.session("", "s")).toEqual({ seq: 0, lastSeq: 3, messageCount: 0 });
  growth.begin([session], additionOf("deleteConversationMessages", ["s", "all"])).end("nothing");
  expect(growth.session("", "s")).toBeUndefined();
});
