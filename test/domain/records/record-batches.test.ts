// Batches of an import: bounded, lazy, in groups by subject, and strict about the order (P1).
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AbortedError, InvalidArgumentError } from "../../../src/contract/errors.js";
import { abortable } from "../../../src/domain/records/abortable.js";
import { MAX_BATCH_ROWS, type RecordGroup, recordBatches } from "../../../src/domain/records/record-batches.js";
import {
  itemRecord,
  messageRecord,
  sessionRecord,
  taskContextRecord,
  threadRecord,
} from "../../../src/domain/records/to-records.js";

const session = (id: string, lastSeq = 1_000_000) =>
  sessionRecord(
    {
      sessionId: id,
      userId: "u",
      status: "active",
      metadata: "{}",
      createdAt: 0,
      updatedAt: 0,
      version: 1,
      requestCount: 0,
      totalProcessingTime: 0,
      errorCount: 0,
      messageCount: 0,
      lastSeq,
      ttlMs: null,
    },
    null,
  );

const message = (sessionId: string, seq: number, text = "hi") =>
  messageRecord(sessionId, {
    seq,
    messageId: `m${seq}`,
    role: "user",
    content: JSON.stringify(text),
    metadata: "{}",
    timestamp: 0,
  });

const item = (key: string) =>
  itemRecord(
    { namespace: ["a"], key, value: "{}", version: 1, createdAt: 0, updatedAt: 0, ttlMs: null, expiresAt: null },
    null,
  );

const version = (id: string, number: number) =>
  taskContextRecord(id, { version: number, context: "1", sizeBytes: 1, metadata: "{}", createdAt: 0 });

const thread = threadRecord({ threadId: "t", sessionId: null, createdAt: 0, updatedAt: 0, lastSeq: 3 });

async function collected<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

async function batchesOf(records: Iterable<unknown>): Promise<(readonly RecordGroup[])[]> {
  return collected(recordBatches(records));
}

const shape = (batches: (readonly RecordGroup[])[]) =>
  batches.map((groups) =>
    groups.map(({ subject, continues, rows }) => ["id" in subject ? subject.id : subject.key, continues, rows.length]),
  );

describe("recordBatches", () => {
  it("groups rows by the subject that they follow", async () => {
    const records = [
      session("a"),
      message("a", 1),
      message("a", 5),
      session("b"),
      version("ctx", 3),
      version("ctx", 4),
      version("d", 1),
      thread,
      item("k"),
      item("l"),
    ];
    expect(shape(await batchesOf(records))).toEqual([
      [
        ["a", false, 3],
        ["b", false, 1],
        ["ctx", false, 2],
        ["d", false, 1],
        ["t", false, 1],
        ["k", false, 1],
        ["l", false, 1],
      ],
    ]);
    expect(await batchesOf([])).toEqual([]);
  });

  it("tells a session and a thread of the same id apart", async () => {
    expect(shape(await batchesOf([session("t"), thread]))).toEqual([
      [
        ["t", false, 1],
        ["t", false, 1],
      ],
    ]);
  });

  it("goes on with a subject in the next batch", async () => {
    const records = [session("a"), ...Array.from({ length: 1_200 }, (_, i) => message("a", i + 1)), session("b")];
    expect(shape(await batchesOf(records))).toEqual([
      [["a", false, MAX_BATCH_ROWS]],
      [["a", true, MAX_BATCH_ROWS]],
      [
        ["a", true, 201],
        ["b", false, 1],
      ],
    ]);
  });

  it("bounds a batch by its bytes; a larger record stands alone", async () => {
    const large = "x".repeat(3 * 1024 * 1024);
    const records = [
      session("a"),
      message("a", 1, large),
      message("a", 2, large),
      message("a", 3, large + large),
      message("a", 4),
    ];
    expect(shape(await batchesOf(records))).toEqual([
      [["a", false, 2]],
      [["a", true, 1]],
      [["a", true, 1]],
      [["a", true, 1]],
    ]);
  });

  it("reads no further than the batch that it gives next", async () => {
    let read = 0;
    const source = function* () {
      yield session("a");
      for (let seq = 1; ; seq++) {
        read = seq;
        yield message("a", seq);
      }
    };
    const batches = recordBatches(source());
    await batches.next();
    expect(read).toBe(MAX_BATCH_ROWS);
    await batches.return(undefined);
    expect(read).toBe(MAX_BATCH_ROWS);
  });

  it.each<[string, unknown[], string]>([
    [
      "a message without its session",
      [message("a", 1)],
      "record 1: a message must follow the session that it belongs to",
    ],
    [
      "a message of an earlier session",
      [session("a"), session("b"), message("a", 1)],
      "record 3: a message must follow",
    ],
    ["a session that stands twice", [session("a"), session("a")], "record 2: the session stands twice"],
    ["an item that stands twice", [item("k"), item("k")], "record 2: the item stands twice"],
    [
      "a seq that stands twice",
      [session("a"), message("a", 2), message("a", 2)],
      "record 3: seq must be above the one before it",
    ],
    ["messages that go back", [session("a"), message("a", 2), message("a", 1)], "record 3: seq must be above"],
    [
      "a message above last_seq",
      [session("a", 1), message("a", 2)],
      "record 2: seq is above the last_seq of the session",
    ],
    ["a version that stands twice", [version("c", 1), version("c", 1)], "record 2: version must be above"],
    ["a malformed record", [session("a"), { kind: "message" }], "record 2: "],
  ])("refuses %s", async (_what, records, reason) => {
    await expect(batchesOf(records)).rejects.toThrow(InvalidArgumentError);
    await expect(batchesOf(records)).rejects.toThrow(reason);
  });
});

describe("abortable", () => {
  it("passes everything on and leaves no listener", async () => {
    const { signal } = new AbortController();
    expect(await collected(abortable([1, 2, 3], signal))).toEqual([1, 2, 3]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("gives up a source that never answers", async () => {
    const controller = new AbortController();
    let returned = false;
    const silent = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<number>>(() => undefined),
        return: async () => {
          returned = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    const reading = collected(abortable(silent, controller.signal));
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(reading).rejects.toThrow(AbortedError);
    await expect(reading).rejects.toMatchObject({ cause: reason, outcome: "not-applied" });
    expect(returned).toBe(true);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("ends the source when its reader stops, and keeps the source's own error", async () => {
    const { signal } = new AbortController();
    let ended = false;
    const source = async function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        ended = true;
      }
    };
    for await (const value of abortable(source(), signal)) {
      expect(value).toBe(1);
      break;
    }
    expect(ended).toBe(true);
    const failure = new Error("the file is broken");
    const failing = async function* (): AsyncGenerator<number> {
      yield 1;
      throw failure;
    };
    await expect(collected(abortable(failing(), signal))).rejects.toBe(failure);
  });

  it("reads nothing once the signal has fired", async () => {
    const values = function* () {
      yield expect.unreachable("the source is read");
    };
    await expect(collected(abortable(values(), AbortSignal.abort()))).rejects.toThrow(AbortedError);
  });
});
