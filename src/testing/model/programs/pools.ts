/** Values and the names of a program's cast. Values are fresh each time: whoever has one may change it. */
import type { LeaseSubject } from "../../../contract/call.js";
import type { MessageContent } from "../../../contract/conversation-storage.js";
import type { JsonObject, JsonScalar, JsonValue, MetadataFilter, MetadataInput } from "../../../contract/json.js";
import type { Draw } from "./draw.js";
import type { Pool } from "./names.js";

const USERS: Pool<string> = ["u1", "u2", "U1"];
const MESSAGE_IDS: Pool<string> = ["m1", "m2", "a:m1"];
const ROLES: Pool<string> = ["user", "assistant", "tool", "user "];
const OWNERS: Pool<string> = ["w1", "w2"];

export const tenant = (draw: Draw): string => draw.pick(draw.cast.tenants);
export const sessionId = (draw: Draw): string => draw.pick(draw.cast.sessions);
export const threadId = (draw: Draw): string => draw.pick(draw.cast.threads);
export const checkpointId = (draw: Draw): string => draw.pick(draw.cast.checkpoints);
export const checkpointNamespace = (draw: Draw): string => draw.pick(draw.cast.checkpointNamespaces);
export const userId = (draw: Draw): string => draw.pick(USERS);
export const taskId = (draw: Draw): string => draw.pick(draw.cast.tasks);
export const taskPath = (draw: Draw): string => draw.pick(draw.cast.tasks);
export const messageId = (draw: Draw): string => draw.pick(MESSAGE_IDS);
export const role = (draw: Draw): string => draw.pick(ROLES);
export const owner = (draw: Draw): string => draw.pick(OWNERS);
export const itemNamespace = (draw: Draw): readonly string[] => draw.pick(draw.cast.itemNamespaces);
export const itemKey = (draw: Draw): string => draw.pick(draw.cast.itemKeys);
export const metadataKey = (draw: Draw): string => draw.pick(draw.cast.metadataKeys);
export const scalar = (draw: Draw): JsonScalar => draw.pick(draw.cast.scalars);
export const ttlMs = (draw: Draw): number => draw.pick(draw.cast.ttls);

export function subject(draw: Draw): LeaseSubject {
  return draw.chance(50) ? { thread: threadId(draw) } : { session: sessionId(draw) };
}

/** A label or two, or none: everything. */
export function itemPrefix(draw: Draw): readonly string[] {
  const namespace = itemNamespace(draw);
  return namespace.slice(0, draw.below(namespace.length + 1));
}

export function jsonValue(draw: Draw): JsonValue {
  return draw.weighted<JsonValue>([
    [8, () => scalar(draw)],
    [1, () => [scalar(draw), [scalar(draw)]]],
    [1, () => record([["n", { n: scalar(draw) }]])],
  ]);
}

export function metadata(draw: Draw): MetadataInput {
  const keys = draw.list(0, 2, () => metadataKey(draw));
  return record(keys.map((key) => [key, draw.chance(10) ? undefined : jsonValue(draw)]));
}

export function itemValue(draw: Draw): JsonObject {
  return record(draw.list(0, 3, () => metadataKey(draw)).map((key) => [key, jsonValue(draw)]));
}

export function metadataFilter(draw: Draw): MetadataFilter {
  return record(draw.list(1, 2, () => metadataKey(draw)).map((key) => [key, scalar(draw)]));
}

/** Everything that V1 keeps and `structuredClone` copies faithfully; a fresh value each time. */
const VALUES: Pool<(draw: Draw) => unknown> = [
  (draw) => scalar(draw),
  (draw) => ({ a: scalar(draw), list: [scalar(draw), { b: null }] }),
  () => undefined,
  () => ({ a: undefined, list: [undefined, Number.NaN, -0, Number.NEGATIVE_INFINITY] }),
  () => new Date(Date.UTC(2001, 0, 2, 3, 4, 5, 678)),
  () => 2n ** 70n,
  () =>
    new Map<unknown, unknown>([
      ["__proto__", 1],
      [{ k: 1 }, new Set([1, "1"])],
    ]),
  () => new Uint8Array([0, 255, 10]),
  () => /a\/[b]+/giu,
  () => JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"$":["Date",0],"$type":"Map","@":"x"}'),
  (draw) => "\u0000\n\u2028é é'\"\\".repeat(1 + draw.below(40)),
  (draw) => Array.from({ length: 1 + draw.below(200) }, (_, i) => ({ role: "user", content: `message ${i}` })),
];

export const value = (draw: Draw): unknown => draw.pick(VALUES)(draw);

export function content(draw: Draw): MessageContent {
  if (!draw.chance(50)) return draw.pick(["hello", "", "\u0000 ' \" \\ \u{1F600}", "$.a"]);
  return draw.list(0, 2, () => ({ type: draw.pick(["text", "tool_call"]), value: value(draw) }));
}

/** Own keys, also `__proto__`. */
function record<T>(entries: readonly (readonly [string, T])[]): { readonly [key: string]: T } {
  return Object.fromEntries(entries);
}

/** Of two dimensions, now and then of three. Their scores are exact, however a store computes them. */
export function vector(draw: Draw): number[] {
  if (draw.chance(10)) return [1, 0, 0];
  return draw.pick<number[]>([
    [1, 0],
    [2, 0],
    [0, 1],
    [-1, 0],
    [0, -3],
    [0, 0],
  ]);
}
