/** Calls whose arguments are wrong in themselves: refused before anything is stored, whatever is there (I1, V1, V2, S3, S7). */
import type { StorageErrorCode } from "../../../contract/errors.js";
import type { Verb } from "../verbs.js";
import type { CallCommand } from "./command.js";
import type { Draw } from "./draw.js";

const BAD_IDS = ["", "a\0", "\uD800", "é".repeat(257), 1, null, undefined] as const;

export function malformedCommand(draw: Draw, tenant: string): CallCommand {
  const badId = draw.pick(BAD_IDS);
  const [verb, args, refusal = "INVALID_ARGUMENT"] = draw.pick<readonly [Verb, unknown[], StorageErrorCode?]>([
    ["createSession", [badId, "u1"]],
    ["updateSession", ["a", { addProcessingTime: -1 }]],
    ["updateSession", ["a", { incrementRequests: 1.5 }]],
    ["updateSession", ["a", { colour: "red" }]],
    ["updateSession", ["a", { metadata: { k: "\uDC00" } }]],
    ["listSessions", [{ metadata: { k: [1] } }]],
    ["listSessions", [{ cursor: "not a cursor" }]],
    ["listSessions", [{ limit: 0 }]],
    [
      "batchCreateSessions",
      [
        [
          { sessionId: "z", userId: "u1" },
          { sessionId: "z", userId: "u1" },
        ],
      ],
    ],
    ["addConversationMessage", ["a", "user", [{ type: "text", run: () => 1 }], {}], "SERIALIZATION"],
    [
      "addConversationMessages",
      [
        "a",
        [
          { role: "user", content: "kept out" },
          { role: "", content: "" },
        ],
      ],
    ],
    ["getConversationHistory", ["a", { limit: -1 }]],
    ["deleteConversationMessages", ["a", {}]],
    ["storeCheckpoint", ["t", badId, 1]],
    ["storeCheckpoint", ["t", "c1", { list: [Symbol("s")] }], "SERIALIZATION"],
    [
      "putWrites",
      [
        "t",
        "c1",
        "k1",
        [
          ["x", 1, 0],
          ["y", 2, 0],
        ],
      ],
    ],
    ["deleteCheckpoints", ["t", ["c1", badId]]],
    ["pruneCheckpoints", [{}]],
    ["storeTaskContext", ["a", new WeakMap()], "SERIALIZATION"],
    ["shareTaskContext", ["a", "a"]],
    ["putItem", [[], "k", {}]],
    ["putItem", [["m", badId], "k", {}]],
    ["putItem", [["m"], "k", { n: Number.NaN }]],
    ["searchItems", [[], { filter: { k: { $like: "%" } } }]],
    ["deleteItems", [[]]],
    [
      "acquireLease",
      [
        { session: "a", thread: "t" },
        { owner: "w1", ttlMs: 1 },
      ],
    ],
    ["acquireLease", [{ session: "a" }, { owner: "w1", ttlMs: 0 }]],
  ]);
  return { kind: "call", handle: 0, tenant, verb, args, times: 1, refusal };
}
