// Messages made of snapshots: what their constructors make, each time anew, and told from what they were whatever was changed.
import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  HumanMessage,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it, vi } from "vitest";
import { type KnownPart, KnownParts } from "../../../src/adapters/langgraph/known-parts.js";
import {
  type Fields,
  makeMessage,
  messageClassName,
  messageFields,
} from "../../../src/adapters/langgraph/message-classes.js";
import { isUnchanged, NONE, revived, type Snapshot, snapshotOf } from "../../../src/adapters/langgraph/snapshots.js";
import { ValueCodec } from "../../../src/adapters/langgraph/value-codec.js";

const call = { name: "search", args: { q: "x", deep: [{ n: -0 }, null] }, id: "c1", type: "tool_call" as const };
const rawCall = { id: "c2", type: "function" as const, function: { name: "search", arguments: '{"q":"y"}' } };

function withField(message: BaseMessage, name: string, value: unknown): BaseMessage {
  (message as unknown as Fields)[name] = value;
  return message;
}

const MESSAGES: Record<string, () => BaseMessage> = {
  human: () => new HumanMessage({ content: "hello", id: "1" }),
  "human with parts": () => new HumanMessage({ content: [{ type: "text", text: "hello" }], name: "Ann" }),
  system: () => new SystemMessage("be brief"),
  ai: () => new AIMessage("yes"),
  "ai with calls": () => new AIMessage({ content: "", tool_calls: [call], response_metadata: { model: "m" } }),
  "ai with raw calls": () => new AIMessage({ content: "", additional_kwargs: { tool_calls: [rawCall] } }),
  "ai with raw calls and none of its own": () =>
    withField(new AIMessage({ content: "", additional_kwargs: { tool_calls: [rawCall] } }), "tool_calls", []),
  "ai of form v1": () => new AIMessage({ content: "one", response_metadata: { output_version: "v1" } }),
  "ai with blocks": () => new AIMessage({ contentBlocks: [{ type: "text", text: "one" }] }),
  "ai with usage": () =>
    withField(new AIMessage("x"), "usage_metadata", { input_tokens: 1, output_tokens: 2, total_tokens: 3 }),
  chunk: () => new AIMessageChunk({ content: "x", tool_call_chunks: [{ name: "a", args: "{", index: 0, id: "i" }] }),
  tool: () => new ToolMessage({ content: "found", tool_call_id: "c1", artifact: { rows: [1, 2] }, status: "error" }),
  chat: () => new ChatMessage({ content: "x", role: "critic" }),
  remove: () => new RemoveMessage({ id: "1" }),
  "with a field of its own": () => withField(new HumanMessage("x"), "seen", [true]),
  "without content": () => withField(new HumanMessage("x"), "content", undefined),
  "with content of null": () => withField(new AIMessage("x"), "content", null),
};

function snapshot(message: object): Snapshot {
  const taken = snapshotOf(message, () => false);
  if (taken === NONE) throw new Error("the message has no snapshot");
  return taken;
}

/** Own fields with their order, all the way down: messages have getters that an assertion would look through. */
function shown(message: unknown): unknown {
  return JSON.stringify(message, (_key, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? { of: Object.getPrototypeOf(value)?.constructor?.name, fields: Object.entries(value) }
      : value,
  );
}

const own = (message: object): unknown => [Object.getPrototypeOf(message), shown(Object.entries(message))];

describe.each(Object.keys(MESSAGES))("a message, %s,", (name) => {
  const make = MESSAGES[name] as () => BaseMessage;

  it("comes back each time as its constructor makes it of its fields", () => {
    vi.spyOn(console, "warn").mockReturnValue();
    const message = make();
    const taken = snapshot(message);
    const made = makeMessage(messageClassName(message) as string, messageFields(message));
    const fields = Object.keys(message).filter((key) => !["lc_kwargs"].includes(key));
    for (let time = 0; time < 3; time++) {
      const fresh = revived(taken) as object;
      expect(Object.getPrototypeOf(fresh)).toBe(Object.getPrototypeOf(made));
      for (const key of fields) expect(shown((fresh as Fields)[key])).toBe(shown((made as unknown as Fields)[key]));
      expect(own(fresh)).toEqual(own(revived(taken) as object));
      expect(isUnchanged(fresh, snapshot(made as object))).toBe(true);
    }
  });

  it("is fresh each time, down to its last object", () => {
    vi.spyOn(console, "warn").mockReturnValue();
    const taken = snapshot(make());
    const before = [revived(taken), revived(taken)].map((each) => own(each as object));
    const objects = new Set<object>();
    const collect = (value: unknown): void => {
      if (typeof value !== "object" || value === null || objects.has(value)) return;
      objects.add(value);
      for (const inner of Object.values(value)) collect(inner);
    };
    collect(revived(taken));
    for (const object of objects) Object.assign(object, { changed: true });
    const again = revived(taken) as object;
    const others = new Set(objects);
    objects.clear();
    collect(again);
    expect([...objects].filter((object) => others.has(object))).toEqual([]);
    expect([own(again), own(revived(taken) as object)]).toEqual(before);
  });
});

describe("a symbol in a part of a message that was empty", () => {
  const PARTS = ["additional_kwargs", "response_metadata", "tool_calls", "invalid_tool_calls"] as const;

  it.each(PARTS)("makes it another message: in %s", (part) => {
    const taken = snapshot(new AIMessage({ content: "x", id: "1" }));
    const message = revived(taken) as AIMessage;
    expect(isUnchanged(message, taken)).toBe(true);
    (message[part] as unknown as Record<symbol, unknown>)[Symbol("s")] = undefined;
    expect(isUnchanged(message, taken)).toBe(false);
  });

  it.each([0, 2, 4])("is found in a list of messages: in message %i", (position) => {
    const known = new KnownParts(new ValueCodec([]));
    const messages = Array.from({ length: 5 }, (_, i) => new AIMessage({ content: "x", id: `${i}` }));
    const parts = messages.map((message) => known.partOf(message) as KnownPart);
    expect(known.countSame(messages, parts, 5)).toBe(5);
    Object.assign(messages[position]?.response_metadata as object, { [Symbol("s")]: 1 });
    expect(known.countSame(messages, parts, 5)).toBe(position);
  });
});
