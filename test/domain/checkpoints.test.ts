// Checkpoints, writes and task contexts: arguments, order and what a reader sees (K3, K5, K6, K8, T1).
import { describe, expect, it } from "vitest";
import { ConflictError, CorruptionError, InvalidArgumentError, SerializationError } from "../../src/contract/errors.js";
import {
  checkpointNamespace,
  parseCheckpoint,
  parseCheckpointListing,
  parsePrunePolicy,
  parseThreadListing,
  parseWrites,
} from "../../src/domain/checkpoint-arguments.js";
import { checkpointDecoder, compareWrites } from "../../src/domain/checkpoints.js";
import { EncodedText } from "../../src/domain/codec/encoded-text.js";
import type { NewStoredCheckpoint } from "../../src/domain/driver/storage-driver.js";
import {
  contextDecoder,
  KEEP_CONTEXT_VERSIONS,
  keepVersionsOption,
  newestDroppedVersion,
  nextContextVersion,
} from "../../src/domain/task-contexts.js";

describe("compareWrites (K3)", () => {
  it("orders by task path, then task, then index, strings by code point and indexes as numbers", () => {
    const writes = [
      ["", "b", 0],
      ["", "a", 10],
      ["", "a", 9],
      ["", "a", -1],
      ["😀", "a", 0],
      ["\uffff", "z", 0],
    ].map(([taskPath, taskId, index]) => ({ taskPath, taskId, index }) as Parameters<typeof compareWrites>[0]);
    expect(writes.sort(compareWrites).map(({ taskPath, taskId, index }) => [taskPath, taskId, index])).toEqual([
      ["", "a", -1],
      ["", "a", 9],
      ["", "a", 10],
      ["", "b", 0],
      ["\uffff", "z", 0],
      ["😀", "a", 0],
    ]);
  });
});

describe("parseWrites", () => {
  it("takes the position for the index unless one is given", () => {
    const writes = parseWrites(
      [
        ["a", 1],
        ["b", new Date(0), -3],
        ["c", undefined],
      ],
      "task",
      "path",
    );
    expect(writes.map(({ taskId, taskPath, index, channel }) => [taskId, taskPath, index, channel])).toEqual([
      ["task", "path", 0, "a"],
      ["task", "path", -3, "b"],
      ["task", "path", 2, "c"],
    ]);
    expect(parseWrites([], "task", "")).toEqual([]);
  });

  it.each([
    [
      "an index that stands twice",
      [
        ["a", 1],
        ["b", 2, 0],
      ],
      "writes[1] has index 0, which stands twice",
    ],
    ["an index that is no integer", [["a", 1, 0.5]], "writes[0][2] must be an integer"],
    ["an explicit undefined as index", [["a", 1, undefined]], "writes[0][2] must be an integer"],
    ["a channel without name", [["", 1]], "writes[0][0] must not be empty"],
    ["too short a write", [["a"]], "writes[0] must be [channel, value]"],
    ["too long a write", [["a", 1, 2, 3]], "writes[0] must be [channel, value]"],
    ["an object for a write", [{ channel: "a", value: 1 }], "writes[0] must be an array"],
    ["no list", "writes", "writes must be an array"],
  ])("refuses %s", (_what, writes, message) => {
    expect(() => parseWrites(writes, "task", "")).toThrow(InvalidArgumentError);
    expect(() => parseWrites(writes, "task", "")).toThrow(message);
  });

  it("refuses a value that cannot be kept", () => {
    expect(() => parseWrites([["a", () => 1]], "task", "")).toThrow(SerializationError);
  });
});

function parsedCheckpoint(data: unknown, options: Parameters<typeof parseCheckpoint>[2]): NewStoredCheckpoint {
  const { taken, stored } = parseCheckpoint("c", data, options);
  if (!(taken instanceof EncodedText)) throw new Error("a small state was not encoded at once");
  return stored(taken);
}

describe("arguments of checkpoints", () => {
  it("tell no expected head from the expectation that there is none (K8)", () => {
    expect(parsedCheckpoint(1, {}).expectedHead).toBeUndefined();
    expect(parsedCheckpoint(1, { expectedHead: null }).expectedHead).toBeNull();
    expect(parsedCheckpoint(1, { expectedHead: "b" }).expectedHead).toBe("b");
    expect(() => parseCheckpoint("c", 1, { expectedHead: "" })).toThrow(InvalidArgumentError);
  });

  it("measure the state in bytes of UTF-8", () => {
    const checkpoint = parsedCheckpoint("é😀", {});
    expect(checkpoint).toMatchObject({ sizeBytes: 8, metadata: "{}" });
    expect([String(checkpoint.data), checkpoint.data.bytes]).toEqual(['"é😀"', 8]);
  });

  it("let the root be empty", () => {
    expect([checkpointNamespace(undefined), checkpointNamespace(""), checkpointNamespace("a|b")]).toEqual([
      "",
      "",
      "a|b",
    ]);
    expect(() => checkpointNamespace(null)).toThrow(InvalidArgumentError);
  });

  it("have the limits that are written down", () => {
    expect(parseCheckpointListing({})).toEqual({
      namespace: null,
      limit: 10,
      before: null,
      metadata: [],
      data: false,
      writes: false,
    });
    expect(parseCheckpointListing({ limit: 10_000, namespace: "" })).toMatchObject({ limit: 10_000, namespace: "" });
    expect(() => parseCheckpointListing({ limit: 10_001 })).toThrow("limit must be at most 10000");
    expect(() => parseCheckpointListing({ limit: -1 })).toThrow("limit must be at least 0");
    expect(parseThreadListing({})).toEqual({ sessionId: null, orderBy: "updatedAt", direction: "desc", limit: 50 });
    expect(() => parseThreadListing({ limit: 0 })).toThrow("limit must be at least 1");
    expect(() => parseThreadListing({ limit: 1_001 })).toThrow("limit must be at most 1000");
  });

  it("prune by at least one condition (K6)", () => {
    expect(parsePrunePolicy({ keepLast: 1 })).toEqual({ keepLast: 1, maxAgeMs: null, threadId: null });
    expect(parsePrunePolicy({ maxAgeMs: 0, threadId: "t" })).toEqual({ keepLast: null, maxAgeMs: 0, threadId: "t" });
    const refused: [unknown, string][] = [
      [{}, "policy must have keepLast or maxAgeMs"],
      [{ threadId: "t" }, "policy must have keepLast or maxAgeMs"],
      [{ keepLast: 0 }, "policy.keepLast must be at least 1"],
      [{ maxAgeMs: -1 }, "policy.maxAgeMs must be at least 0"],
      [{ keepLatest: 1 }, 'policy has no field "keepLatest"; the known ones are keepLast, maxAgeMs, threadId'],
      [undefined, "policy must be an object"],
    ];
    for (const [policy, message] of refused) expect(() => parsePrunePolicy(policy)).toThrow(message);
  });
});

describe("checkpointDecoder (K5)", () => {
  const stored = {
    namespace: "",
    checkpointId: "c",
    parentId: null,
    sessionId: null,
    metadata: "{}",
    seq: 1,
    createdAt: 0,
    needsParent: false,
    sizeBytes: 1,
    etag: null,
    data: "1",
    writes: [],
  };

  it("shows the parts that were asked for and no others", () => {
    const info = {
      threadId: "t",
      namespace: "",
      checkpointId: "c",
      metadata: {},
      seq: 1,
      createdAt: new Date(0),
      needsParent: false,
      sizeBytes: 1,
    };
    expect(checkpointDecoder("t", { data: false, writes: false }).decode(stored)).toStrictEqual(info);
    expect(checkpointDecoder("t", { data: true, writes: true }).decode(stored)).toStrictEqual({
      ...info,
      data: 1,
      writes: [],
    });
  });

  it("reports a part that is missing or damaged, never a checkpoint without it", () => {
    for (const broken of [{ data: null }, { data: "{" }, { writes: null }, { metadata: "[]" }]) {
      expect(() => checkpointDecoder("t", { data: true, writes: true }).decode({ ...stored, ...broken })).toThrow(
        CorruptionError,
      );
    }
  });

  it("takes a state that is not there for one that the caller has only where the etags are the same (K5)", () => {
    const without = { ...stored, etag: "a", data: null };
    const read = (etag: string | null, ifNoneMatch: string | null): unknown =>
      checkpointDecoder("t", { data: true, writes: false, ifNoneMatch }).decode({ ...without, etag });
    expect(read("a", "a")).toMatchObject({ etag: "a", data: undefined, notModified: true });
    for (const [etag, ifNoneMatch] of [
      ["a", "b"],
      ["a", null],
      [null, "a"],
      [null, null],
    ] as const) {
      expect(() => read(etag, ifNoneMatch)).toThrow(CorruptionError);
    }
    const whole = checkpointDecoder("t", { data: true, writes: false, ifNoneMatch: "a" }).decode({
      ...without,
      data: "1",
    });
    expect(whole).toMatchObject({ data: 1, etag: "a" });
    expect(whole).not.toHaveProperty("notModified");
  });
});

describe("task contexts (T1, T2)", () => {
  it("are numbered one by one, compared with what is expected", () => {
    expect([nextContextVersion(0, null), nextContextVersion(0, 0), nextContextVersion(4, 4)]).toEqual([1, 1, 5]);
    expect(() => nextContextVersion(4, 3)).toThrow(ConflictError);
    expect(() => nextContextVersion(4, 0)).toThrow("at version 4, not at the expected version 0");
  });

  it("keep 20 versions unless told otherwise", () => {
    expect(keepVersionsOption(undefined)).toBe(KEEP_CONTEXT_VERSIONS);
    expect(KEEP_CONTEXT_VERSIONS).toBe(20);
    expect(newestDroppedVersion(21, 20)).toBe(1);
    expect(() => keepVersionsOption(0)).toThrow(InvalidArgumentError);
  });

  it("are never returned without their content", () => {
    const stored = { version: 2, context: null, sizeBytes: 1, metadata: "{}", createdAt: 0 };
    expect(() => contextDecoder("s").decode(stored)).toThrow(CorruptionError);
    expect(contextDecoder("s").decode({ ...stored, context: '{"a":1}' })).toStrictEqual({
      sessionId: "s",
      version: 2,
      metadata: {},
      createdAt: new Date(0),
      sizeBytes: 1,
      context: { a: 1 },
    });
  });
});
