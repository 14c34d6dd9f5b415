// What a saver remembers is never older than the storage, never other than what was stored, and nobody's to change.
import assert from "node:assert/strict";
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { emptyCheckpoint, uuid6 } from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClassCodec, WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { Checkpoint, GetCheckpointOptions } from "../../../src/contract/checkpoint-storage.js";
import { memorySaver } from "./storages.js";

const CONFIG = { configurable: { thread_id: "t", checkpoint_ns: "" } };

/** Longer than what a storage keeps inline. */
const conversation = (): BaseMessage[] =>
  Array.from({ length: 20 }, (_, i) =>
    i % 2 === 0
      ? new HumanMessage({ content: `question ${i} ${"?".repeat(200)}`, id: `m${i}` })
      : new AIMessage({
          content: [{ type: "text", text: `answer ${i} ${"!".repeat(200)}` }],
          id: `m${i}`,
          tool_calls: [{ id: `c${i}`, name: "search", args: { words: ["a", { b: i }] } }],
          additional_kwargs: { seen: { by: ["critic"] } },
        }),
  );

/** Also of a name that an assignment would take for the prototype. */
function setOwn(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
}

let clock = 0;

async function put(saver: WaystoneSaver, messages: unknown, thread = "t"): Promise<void> {
  const id = uuid6(clock++);
  const checkpoint = { ...emptyCheckpoint(), id, channel_values: { messages }, channel_versions: { messages: 1 } };
  const config = { configurable: { thread_id: thread, checkpoint_ns: "" } };
  await saver.put(config, checkpoint, { source: "loop", step: 1, parents: {} }, { messages: 1 });
}

async function read(saver: WaystoneSaver): Promise<BaseMessage[]> {
  return (await saver.getTuple(CONFIG))?.checkpoint.channel_values.messages as BaseMessage[];
}

/** A storage that counts how many states it reads. */
function counting(): { storage: ReturnType<typeof memoryStorage>; states: () => number } {
  const storage = memoryStorage();
  let read = 0;
  const getCheckpoint = async (id: string, options?: GetCheckpointOptions): Promise<Checkpoint | undefined> => {
    const found = await storage.getCheckpoint(id, options);
    if (found !== undefined && !found.notModified) read += 1;
    return found;
  };
  return { storage: { ...storage, getCheckpoint }, states: () => read };
}

describe("a state that the saver remembers", () => {
  it("is not read again, and gives fresh objects each time", async () => {
    const { storage, states } = counting();
    const saver = new WaystoneSaver(storage);
    const messages = conversation();
    await put(saver, messages);
    const [first, second] = [await read(saver), await read(saver)];
    expect(states()).toBe(0);
    expect(first).toStrictEqual(second);
    expect(await read(new WaystoneSaver(storage))).toStrictEqual(first);
    expect(states()).toBe(1);
    for (const [i, message] of first.entries()) {
      expect(message).not.toBe(second[i]);
      expect(message).not.toBe(messages[i]);
      expect(message.additional_kwargs).not.toBe(second[i]?.additional_kwargs);
    }
  });

  it("stays what it was when the graph changes its messages after put", async () => {
    const { saver } = memorySaver();
    const messages = conversation();
    await put(saver, messages);
    const before = await read(saver);
    const [question, answer] = messages as [HumanMessage, AIMessage];
    question.content = "changed";
    (answer.additional_kwargs.seen as { by: string[] }).by.push("changed");
    messages.pop();
    expect(await read(saver)).toStrictEqual(before);
  });

  it("is not touched by those who change what they read", async () => {
    const { saver } = memorySaver();
    await put(saver, conversation());
    const before = await read(saver);
    const mine = await read(saver);
    for (const message of mine) {
      message.content = "changed";
      message.additional_kwargs.more = 1;
    }
    (mine[1] as AIMessage).tool_calls?.pop();
    expect(await read(saver)).toStrictEqual(before);
  });

  it.each<[string, (messages: BaseMessage[]) => void]>([
    ["its content", ([m]) => ((m as HumanMessage).content = "changed")],
    ["a text inside its content", ([, m]) => ((m?.content as { text: string }[])[0] = { text: "changed" })],
    ["a key inside an argument of a tool call", ([, m]) => ((m as AIMessage).tool_calls = [])],
    ["a value deep inside", ([, m]) => ((m as AIMessage).additional_kwargs.seen as { by: string[] }).by.push("x")],
    ["a new field", ([m]) => Object.assign(m as object, { score: 1 })],
    ["a field less", ([m]) => Reflect.deleteProperty(m as object, "id")],
    ["a field that is undefined now", ([m]) => ((m as { id: string | undefined }).id = undefined)],
    ["0 for -0", ([, m]) => Object.assign(m?.additional_kwargs as object, { zero: -0 })],
    ["its order", (messages) => messages.reverse()],
    ["one less at the front", (messages) => messages.shift()],
    ["one that stands twice", (messages) => messages.push(messages[0] as BaseMessage)],
  ])("is stored anew with what the graph changed in a message that it read: %s", async (_name, change) => {
    const { saver, storage } = memorySaver();
    await put(saver, conversation());
    const messages = await read(saver);
    change(messages);
    const data = (list: BaseMessage[]) =>
      list.map((message) => {
        const fields = Object.entries(message).filter(([name]) => name !== "lc_kwargs");
        return structuredClone(Object.fromEntries(fields));
      });
    const expected = data(messages);
    await put(saver, messages);
    for (const reader of [saver, new WaystoneSaver(storage)]) {
      const back = data(await read(reader));
      expect(back).toEqual(expected);
      const isMinusZero = (fields: Record<string, unknown>) =>
        Object.is((fields.additional_kwargs as { zero?: number }).zero, -0);
      expect(back.map(isMinusZero)).toEqual(expected.map(isMinusZero));
    }
  });

  it("gives way to what another process stored", async () => {
    const storage = memoryStorage();
    const [saver, other] = [new WaystoneSaver(storage), new WaystoneSaver(storage)];
    await put(saver, conversation());
    await put(other, [...conversation(), new HumanMessage({ content: "from elsewhere", id: "new" })]);
    expect((await read(saver)).at(-1)?.content).toBe("from elsewhere");
    await put(other, [new HumanMessage("all gone")]);
    expect(await read(saver)).toHaveLength(1);
    await other.deleteThread("t");
    expect(await saver.getTuple(CONFIG)).toBeUndefined();
  });

  it("is refused with its whole path when it cannot be stored, also in a message that was stored before", async () => {
    const { saver } = memorySaver();
    await put(saver, conversation());
    const messages = await read(saver);
    const before = await read(saver);
    Object.assign(messages[3]?.additional_kwargs as object, { [Symbol("s")]: 1 });
    await expect(put(saver, messages)).rejects.toMatchObject({
      code: "SERIALIZATION",
      path: "$.checkpoint.channel_values.messages[3].fields.additional_kwargs",
    });
    expect(await read(saver)).toStrictEqual(before);
  });

  it("holds messages of a class with a codec of its own as that codec makes them", async () => {
    const storage = memoryStorage();
    const codec: ClassCodec<HumanMessage> = {
      name: "question",
      is: (value) => value instanceof HumanMessage,
      encode: ({ content }) => content,
      decode: (content) => new HumanMessage({ content: `decoded ${content as string}` }),
    };
    const [saver, other] = [
      new WaystoneSaver(storage, { codecs: [codec] }),
      new WaystoneSaver(storage, { codecs: [codec] }),
    ];
    await put(saver, conversation());
    expect((await read(saver))[0]?.content).toMatch(/^decoded question 0/);
    expect(await read(saver)).toStrictEqual(await read(other));
  });

  it("goes when there is no room for it: the least recently used first", async () => {
    const { storage, states } = counting();
    const saver = new WaystoneSaver(storage, { rememberBytes: 100_000 });
    for (const thread of ["a", "b", "c", "d", "t"]) await put(saver, conversation(), thread);
    await read(saver);
    expect(states()).toBe(0);
    await saver.getTuple({ configurable: { thread_id: "a" } });
    expect(states()).toBe(1);
    const forgetful = new WaystoneSaver(storage, { rememberBytes: 0 });
    await put(forgetful, conversation());
    await read(forgetful);
    expect(states()).toBe(2);
    expect(() => new WaystoneSaver(storage, { rememberBytes: -1 })).toThrow("rememberBytes");
  });

  it("equals what a saver without memory reads, whatever the graph does to a conversation", async () => {
    const edit = fc.tuple(
      fc.constantFrom("append", "drop", "change", "swap", "reread", "nested"),
      fc.nat(30),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 12 }), async (edits) => {
        const { saver, storage } = memorySaver();
        let messages = conversation();
        for (const [kind, at, text] of edits) {
          const message = messages[at % Math.max(1, messages.length)];
          if (kind === "append" || message === undefined) messages.push(new HumanMessage({ content: text, id: text }));
          else if (kind === "drop") messages = messages.filter((each) => each !== message);
          else if (kind === "change") message.content = text;
          else if (kind === "swap") messages.unshift(...messages.splice(at % messages.length, 2));
          else if (kind === "nested") setOwn(message.additional_kwargs, text, { text, list: [at] });
          await put(saver, messages);
          const warm = await read(saver);
          // Of objects with a key `constructor` the matchers of vitest find that their types differ.
          assert.deepStrictEqual(warm, await read(new WaystoneSaver(storage)));
          if (kind === "reread") messages = warm;
        }
      }),
      { numRuns: 60 },
    );
  });
});
