// The kit proves itself: a store with one mistake does not pass it, and the same store without one does.
import { afterAll, describe, expect, it } from "vitest";
import { changeFeedClauses } from "../../src/testing/clauses/change-feeds.js";
import { storedBytesClauses } from "../../src/testing/clauses/stored-bytes.js";
import { runClauses } from "../../src/testing/run-clauses.js";
import { CHANGE_FEED_FAULTS } from "./faults/change-feed-faults.js";
import { CHECKPOINT_DELETION_FAULTS } from "./faults/checkpoint-deletion-faults.js";
import { CHECKPOINT_FAULTS } from "./faults/checkpoint-faults.js";
import { CONVERSATION_FAULTS } from "./faults/conversation-faults.js";
import { DELETION_FAULTS } from "./faults/deletion-faults.js";
import { memoryFactory } from "./faults/fault.js";
import { ITEM_FAULTS } from "./faults/item-faults.js";
import { LARGE_STEP_FAULTS } from "./faults/large-step-faults.js";
import { LARGE_VALUE_FAULTS } from "./faults/large-value-faults.js";
import { LEASE_FAULTS } from "./faults/lease-faults.js";
import { LONG_TEXT_FAULTS } from "./faults/long-text-faults.js";
import { REFUSAL_FAULTS } from "./faults/refusal-faults.js";
import { REPLACEMENT_FAULTS } from "./faults/replacement-faults.js";
import { SESSION_FAULTS } from "./faults/session-faults.js";
import { PIECES_WITHOUT_FAULT, SHARED_STATE_FAULTS } from "./faults/shared-state-faults.js";
import { STORE_FAULTS } from "./faults/store-faults.js";
import { SQLITE_WITHOUT_FAULT, STORED_BYTES_FAULTS } from "./faults/stored-bytes-faults.js";
import { TASK_CONTEXT_FAULTS } from "./faults/task-context-faults.js";
import { VECTOR_FAULTS } from "./faults/vector-faults.js";
import { memoryFactory as handlesOnMemory } from "./memory-factory.js";

const FAULTS = [
  ...SESSION_FAULTS,
  ...DELETION_FAULTS,
  ...CONVERSATION_FAULTS,
  ...CHECKPOINT_FAULTS,
  ...CHECKPOINT_DELETION_FAULTS,
  ...SHARED_STATE_FAULTS,
  ...TASK_CONTEXT_FAULTS,
  ...ITEM_FAULTS,
  ...VECTOR_FAULTS,
  ...LARGE_STEP_FAULTS,
  ...LARGE_VALUE_FAULTS,
  ...LONG_TEXT_FAULTS,
  ...LEASE_FAULTS,
  ...STORE_FAULTS,
  ...REPLACEMENT_FAULTS,
  ...REFUSAL_FAULTS,
];

/** Small enough that every fault is tried in the ordinary run. */
const SCALE = { messages: 500, racers: 12 };

/** The number of the promise that a clause is about. */
function promiseOf(clause: string): string {
  return clause.split(" ", 1)[0] ?? "";
}

/** Clauses that look at bytes. */
const ABOUT_BYTES = new Set(storedBytesClauses.clauses.map(({ name }) => name));

describe("seeded faults", () => {
  const caught: string[] = [];

  for (const { name, promises, factory } of FAULTS) {
    it(`${name}: ${promises.join(" or ")} catches it`, async () => {
      const filter = (clause: string): boolean => promises.includes(promiseOf(clause));
      const { failed } = await runClauses(factory, { filter, bail: true, timeoutMs: 5_000, scale: SCALE });
      expect(failed.length).toBeGreaterThan(0);
      caught.push(`${name}  <-  ${failed[0]?.name}`);
    });
  }

  for (const { name, promises, factory } of CHANGE_FEED_FAULTS) {
    it(`${name}: ${promises.join(" or ")} catches it`, { timeout: 60_000 }, async () => {
      const filter = (clause: string): boolean => promises.includes(promiseOf(clause));
      const { failed } = await runClauses(factory, { filter, bail: true, timeoutMs: 10_000 });
      expect(failed.length).toBeGreaterThan(0);
      caught.push(`${name}  <-  ${failed[0]?.name}`);
    });
  }

  it("feeds without a fault pass", { timeout: 60_000 }, async () => {
    const filter = (clause: string): boolean => promiseOf(clause) === "F8";
    const { failed, passed } = await runClauses(handlesOnMemory, { filter });
    expect(failed).toEqual([]);
    expect(passed.length).toBe(changeFeedClauses.clauses.length);
  });

  for (const { name, promises, factory } of STORED_BYTES_FAULTS) {
    it(`${name}: ${promises.join(" or ")} catches it`, { timeout: 60_000 }, async () => {
      const filter = (clause: string): boolean => ABOUT_BYTES.has(clause) && promises.includes(promiseOf(clause));
      const { failed } = await runClauses(factory, { filter, bail: true });
      expect(failed.length).toBeGreaterThan(0);
      caught.push(`${name}  <-  ${failed[0]?.name}`);
    });
  }

  it("what tells its bytes passes without a fault", { timeout: 60_000 }, async () => {
    const { failed, passed } = await runClauses(SQLITE_WITHOUT_FAULT, { filter: (clause) => ABOUT_BYTES.has(clause) });
    expect(failed).toEqual([]);
    expect(passed.length).toBe(ABOUT_BYTES.size);
  });

  it("without a fault the same clauses pass", { timeout: 120_000 }, async () => {
    const promises = new Set(FAULTS.flatMap((fault) => fault.promises));
    const filter = (clause: string): boolean => promises.has(promiseOf(clause));
    const { failed, passed } = await runClauses(memoryFactory(), { filter, timeoutMs: 30_000, scale: SCALE });
    expect(failed).toEqual([]);
    const proven = new Set(passed.map(promiseOf));
    // No fault can have been caught by clauses that always fail, or by none.
    expect(FAULTS.filter((fault) => !fault.promises.some((promise) => proven.has(promise)))).toEqual([]);
  });

  it("what keeps states in pieces passes without a fault", { timeout: 60_000 }, async () => {
    const promises = new Set(SHARED_STATE_FAULTS.flatMap((fault) => fault.promises));
    const filter = (clause: string): boolean => promises.has(promiseOf(clause));
    const { failed } = await runClauses(PIECES_WITHOUT_FAULT, { filter, timeoutMs: 30_000, scale: SCALE });
    expect(failed).toEqual([]);
  });

  it("there are enough of them, each another one", () => {
    expect(FAULTS.length).toBeGreaterThanOrEqual(24);
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
  });

  afterAll(() => {
    console.log(
      `${caught.length} of ${FAULTS.length + CHANGE_FEED_FAULTS.length + STORED_BYTES_FAULTS.length} seeded faults are caught:\n${caught.join("\n")}`,
    );
  });
});
