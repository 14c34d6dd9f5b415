// What a state may hold, and that no data ever becomes code.
import { createRequire } from "node:module";
import { runInNewContext, runInThisContext } from "node:vm";
import { Document } from "@langchain/core/documents";
import {
  AIMessage,
  AIMessageChunk,
  ChatMessage,
  FunctionMessage,
  HumanMessage,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { Overwrite, Send } from "@langchain/langgraph";
import { DeltaSnapshot, emptyCheckpoint, JsonPlusSerializer, uuid6 } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { type ClassCodec, decodeJsonPlus, WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { SerializationError } from "../../../src/contract/errors.js";
import { memorySaver } from "./storages.js";

const METADATA = { source: "loop", step: 0, parents: {} } as const;

async function put(saver: WaystoneSaver, value: unknown, thread = "t"): Promise<void> {
  const checkpoint = { ...emptyCheckpoint(), id: uuid6(0), channel_values: { a: value }, channel_versions: { a: 1 } };
  await saver.put({ configurable: { thread_id: thread } }, checkpoint, METADATA, { a: 1 });
}

async function read(saver: WaystoneSaver, thread = "t"): Promise<unknown> {
  return (await saver.getTuple({ configurable: { thread_id: thread } }))?.checkpoint.channel_values.a;
}

/** What is read of a small state, of a large one by another saver, and of a large one that the saver remembers: all the same. */
async function roundTrip(value: unknown): Promise<unknown> {
  const { saver, storage } = memorySaver();
  await put(saver, value, "small");
  const back = await read(saver, "small");
  const values = { a: value, filler: "x".repeat(5_000) };
  const checkpoint = { ...emptyCheckpoint(), id: uuid6(0), channel_values: values, channel_versions: { a: 1 } };
  await saver.put({ configurable: { thread_id: "large" } }, checkpoint, METADATA, { a: 1, filler: 1 });
  expect(await read(new WaystoneSaver(storage), "large")).toStrictEqual(back);
  expect(await read(saver, "large")).toStrictEqual(back);
  return back;
}

const messages = [
  new HumanMessage({ content: "hello", id: "1", name: "Ann" }),
  new HumanMessage({
    content: [
      { type: "text", text: "look" },
      { type: "image_url", image_url: "data:," },
    ],
  }),
  new AIMessage({
    content: "",
    tool_calls: [{ id: "c", name: "search", args: { q: 1n } }],
    response_metadata: { at: new Date(0) },
  }),
  withUsage(new AIMessage("counted")),
  new AIMessageChunk({ content: "par", tool_call_chunks: [{ name: "f", args: "{", index: 0 }] }),
  new ToolMessage({ content: "9", tool_call_id: "c", artifact: new Uint8Array([255, 0]), status: "error" }),
  new SystemMessage("be brief"),
  new ChatMessage("hi", "critic"),
  new FunctionMessage({ content: "x", name: "f" }),
  new RemoveMessage({ id: "1" }),
];

describe("messages", () => {
  it.each(messages.map((message) => [message.constructor.name, message] as const))(
    "%s comes back",
    async (_, message) => {
      const back = (await roundTrip([message])) as [typeof message];
      expect(Object.getPrototypeOf(back[0])).toBe(Object.getPrototypeOf(message));
      expect(withoutKwargs(back[0])).toEqual(withoutKwargs(message));
      expect(Object.keys((back[0].toJSON() as { kwargs: object }).kwargs)).toEqual(
        expect.arrayContaining(
          Object.keys((message.toJSON() as { kwargs: object }).kwargs).filter((key) => key !== "lc_direct_tool_output"),
        ),
      );
      expect(back[0]).not.toBe(message);
    },
  );

  it("keep what was done to them after they were made", async () => {
    const message = new AIMessage("draft");
    message.content = "final";
    Object.assign(message, { score: 7 });
    expect(await roundTrip(message)).toMatchObject({ content: "final", score: 7 });
  });

  it("are refused when they are of a class of the application without a codec", async () => {
    class Secret extends HumanMessage {}
    const { saver } = memorySaver();
    await expect(put(saver, [new Secret("x")])).rejects.toThrow(SerializationError);
  });
});

describe("classes of another copy of the framework", () => {
  const other = createRequire(import.meta.url);

  it("are known by their names, and come back as this copy's", async () => {
    const messages = other("@langchain/core/messages") as typeof import("@langchain/core/messages");
    const documents = other("@langchain/core/documents") as typeof import("@langchain/core/documents");
    const [message, document] = [
      new messages.AIMessage({ content: "a", id: "1" }),
      new documents.Document({ pageContent: "p" }),
    ];
    expect(Object.getPrototypeOf(message)).not.toBe(AIMessage.prototype);
    const back = (await roundTrip([message, document])) as [AIMessage, Document];
    expect(Object.getPrototypeOf(back[0])).toBe(AIMessage.prototype);
    expect(back[0]).toMatchObject({ content: "a", id: "1" });
    expect(Object.getPrototypeOf(back[1])).toBe(Document.prototype);
  });

  it("are not those of an application with the same name", async () => {
    const Own = {
      AIMessage: class extends AIMessage {},
      Document: class {
        pageContent = "";
        secret = 1;
      },
    };
    for (const [name, Class] of Object.entries(Own)) {
      Object.defineProperty(Class, "name", { value: name });
      const made = new (Class as new (content: string) => object)("x");
      await expect(put(memorySaver().saver, made)).rejects.toMatchObject({ code: "SERIALIZATION" });
    }
  });
});

describe("values", () => {
  it.each([
    ["bigint", { n: 2n ** 70n }],
    ["dates", { at: new Date(1e12) }],
    [
      "maps and sets",
      new Map<unknown, unknown>([
        ["a", new Set([1, new Date(0)])],
        [{ k: 1 }, undefined],
      ]),
    ],
    ["bytes", { raw: new Uint8Array([255, 254, 0]), floats: new Float32Array([0.5]) }],
    ["numbers that JSON has not", [Number.NaN, -0, Number.POSITIVE_INFINITY]],
    ["undefined", { a: undefined }],
    ["NUL and odd text", "a\0b\ud83d\ude00"],
    ["errors", new TypeError("no", { cause: "why" })],
    ["own __proto__ keys", JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}')],
    ["a top-level null", null],
  ])("%s", async (_, value) => {
    expect(await roundTrip(value)).toStrictEqual(value);
  });

  it("keeps messages inside maps, sets, keys and arrays", async () => {
    const value = new Map<unknown, unknown>([
      ["m", [new HumanMessage("a")]],
      ["s", new Set([new AIMessage("b")])],
    ]);
    const back = (await roundTrip(value)) as Map<string, Iterable<unknown>>;
    expect([...(back.get("m") ?? [])][0]).toBeInstanceOf(HumanMessage);
    expect([...(back.get("s") ?? [])][0]).toBeInstanceOf(AIMessage);
  });

  it("keeps snapshots, documents and sends", async () => {
    const back = (await roundTrip({
      snapshot: new DeltaSnapshot([new HumanMessage("a")]),
      document: new Document({ pageContent: "text", metadata: { at: new Date(0) }, id: "d" }),
      send: new Send("node", { message: new HumanMessage("a") }),
      overwrite: new Overwrite([1]),
    })) as Record<string, unknown>;
    expect(back.snapshot).toBeInstanceOf(DeltaSnapshot);
    expect((back.snapshot as DeltaSnapshot).value).toMatchObject([{ content: "a" }]);
    expect(back.document).toStrictEqual(new Document({ pageContent: "text", metadata: { at: new Date(0) }, id: "d" }));
    expect(back.send).toMatchObject({ node: "node", args: { message: { content: "a" } } });
    expect(back.overwrite).toStrictEqual({ __overwrite__: [1] });
  });

  it.each([
    ["a function", { deep: [{ f: () => 1 }] }, "$.checkpoint.channel_values.a.deep[0].f"],
    ["a symbol", { s: Symbol("x") }, "$.checkpoint.channel_values.a.s"],
    ["an instance", { i: new (class Money {})() }, "$.checkpoint.channel_values.a.i"],
  ])("refuses %s with its path and stores nothing", async (_, value, path) => {
    const { saver } = memorySaver();
    await expect(put(saver, value)).rejects.toMatchObject({ code: "SERIALIZATION", path });
    expect(await read(saver)).toBeUndefined();
  });

  it("refuses a cycle", async () => {
    const ring: Record<string, unknown> = { message: new HumanMessage("a") };
    ring.self = ring;
    await expect(put(memorySaver().saver, ring)).rejects.toMatchObject({ code: "SERIALIZATION" });
  });
});

describe("data that looks like code", () => {
  it.each([
    ["an unknown class", { lc: 1, type: "constructor", id: ["evil", "Class"], kwargs: {} }],
    [
      "a message of LangChain",
      { lc: 1, type: "constructor", id: ["langchain_core", "messages", "HumanMessage"], kwargs: { content: "x" } },
    ],
    ["a secret", { lc: 1, type: "secret", id: ["OPENAI_API_KEY"] }],
    ["undefined", { lc: 2, type: "undefined" }],
    ["an error", { lc: 2, type: "constructor", id: ["Error"], args: ["x"] }],
    ["our own tag", { "~waystone": "message", class: "HumanMessage", fields: { content: "x" } }],
    ["our own tag, unknown", { "~waystone": "no such thing" }],
    ["our own tag within itself", { "~waystone": { "~waystone": "object", value: 1 } }],
    ["a serialised value", { "~waystone": "serde", type: "json", bytes: "{}" }],
  ])("%s comes back as it was", async (_, value) => {
    expect(await roundTrip(value)).toStrictEqual(value);
    expect(await roundTrip({ list: [value] })).toStrictEqual({ list: [value] });
    expect(await roundTrip(new HumanMessage({ content: "x", additional_kwargs: { value } }))).toMatchObject({
      additional_kwargs: { value },
    });
  });
});

it("plain data of another realm comes back as this one's, also where it looks like code", async () => {
  const data =
    '{ tag: { "~waystone": "message", class: "HumanMessage" }, map: new Map([[1, [{}]]]), set: new Set(["x"]) }';
  const value = { message: new HumanMessage("a"), ...(runInNewContext(`(${data})`) as object) };
  expect(await roundTrip(value)).toStrictEqual({ ...value, ...(runInThisContext(`(${data})`) as object) });
});

describe("a codec of the application", () => {
  class Money {
    readonly cents: bigint;
    constructor(cents: bigint) {
      this.cents = cents;
    }
  }
  const money: ClassCodec<Money> = {
    name: "money",
    is: (value) => value instanceof Money,
    encode: ({ cents }) => ({ cents }),
    decode: (data) => new Money((data as { cents: bigint }).cents),
  };

  it("keeps its class", async () => {
    const { saver } = memorySaver({ codecs: [money] });
    await put(saver, { price: new Money(5n), log: [new HumanMessage("paid")] });
    expect(await read(saver)).toMatchObject({ price: new Money(5n), log: [{ content: "paid" }] });
  });

  it("is missed by name when it is not registered", async () => {
    const { saver, storage } = memorySaver({ codecs: [money] });
    await put(saver, new Money(5n));
    const { WaystoneSaver } = await import("../../../src/adapters/langgraph/index.js");
    await expect(read(new WaystoneSaver(storage))).rejects.toThrow('the codec "money"');
  });

  it("needs a name of its own", () => {
    expect(() => memorySaver({ codecs: [money, money] })).toThrow("codecs");
  });
});

describe("a serialiser of the application", () => {
  it("is honoured for values, metadata and writes, and its data stays readable beside ours", async () => {
    const { saver, storage } = memorySaver({ serde: new JsonPlusSerializer() });
    await put(saver, { list: [new HumanMessage("hello")], set: new Set([1]) });
    const tuple = await saver.getTuple({ configurable: { thread_id: "t" } });
    await saver.putWrites(tuple?.config ?? {}, [["raw", new Uint8Array([1, 255])]], "task");
    const stored = await storage.getCheckpoint("t", { writes: true });
    expect(JSON.stringify(stored?.data)).not.toContain("hello");
    const { WaystoneSaver } = await import("../../../src/adapters/langgraph/index.js");
    for (const reader of [saver, new WaystoneSaver(storage)]) {
      const back = await reader.getTuple({ configurable: { thread_id: "t" } });
      expect(back?.checkpoint.channel_values.a).toMatchObject({ list: [{ content: "hello" }], set: new Set([1]) });
      expect(back?.metadata).toEqual(METADATA);
      expect(back?.pendingWrites).toEqual([["task", "raw", new Uint8Array([1, 255])]]);
    }
  });
});

describe("the official serialiser's data", () => {
  it("is read with the table of message classes", async () => {
    const value = {
      messages: [new HumanMessage({ content: "a", id: "1" }), new AIMessage("b")],
      map: new Map([["k", new Set([1])]]),
      bytes: new Uint8Array([1, 2]),
      pattern: /a+/gi,
      none: undefined,
      snapshot: new DeltaSnapshot([1]),
    };
    const [, bytes] = await new JsonPlusSerializer().dumpsTyped(value);
    const back = decodeJsonPlus(bytes) as typeof value;
    expect(back.messages[0]).toBeInstanceOf(HumanMessage);
    expect(back.messages).toMatchObject([{ content: "a", id: "1" }, { content: "b" }]);
    expect(back).toMatchObject({ map: value.map, bytes: value.bytes, pattern: /a+/gi });
    expect("none" in back && back.none === undefined).toBe(true);
    expect(back.snapshot).toEqual(new DeltaSnapshot([1]));
  });

  it("never names code", () => {
    const evil = {
      lc: 1,
      type: "constructor",
      id: ["langchain_core", "prompts", "PromptTemplate"],
      kwargs: { template: "x" },
    };
    expect(decodeJsonPlus(JSON.stringify({ evil }))).toStrictEqual({ evil });
    expect(() => decodeJsonPlus("{")).toThrow("JSON-plus");
  });
});

describe("what is stored", () => {
  it.each([
    ["our codec", undefined],
    ["a serialiser", new JsonPlusSerializer()],
  ])("is what the state was at the call, with %s", async (_, serde) => {
    const { saver } = memorySaver({ serde });
    const state = { list: [1], message: new HumanMessage("before") };
    const checkpoint = { ...emptyCheckpoint(), id: uuid6(0), channel_values: { a: state }, channel_versions: { a: 1 } };
    const metadata = { ...METADATA, tags: ["before"] };
    const stored = saver.put({ configurable: { thread_id: "t" } }, checkpoint, metadata, { a: 1 });
    const value = { n: 1 };
    const written = saver.putWrites(
      { configurable: { thread_id: "t", checkpoint_id: checkpoint.id } },
      [
        ["w", value],
        ["__resume__", value],
      ],
      "task",
    );
    state.list.push(2);
    state.message.content = "after";
    metadata.tags[0] = "after";
    checkpoint.channel_versions.a = 9;
    value.n = 2;
    await Promise.all([stored, written]);
    const tuple = await saver.getTuple({ configurable: { thread_id: "t" } });
    expect(tuple?.checkpoint.channel_values.a).toMatchObject({ list: [1], message: { content: "before" } });
    expect(tuple?.metadata).toMatchObject({ tags: ["before"] });
    expect(tuple?.checkpoint.channel_versions).toEqual({ a: 1 });
    expect(tuple?.pendingWrites).toEqual([
      ["task", "__resume__", { n: 1 }],
      ["task", "w", { n: 1 }],
    ]);
  });

  it("is read as fresh objects", async () => {
    const { saver } = memorySaver();
    await put(saver, { list: [1] });
    const first = (await read(saver)) as { list: number[] };
    first.list.push(2);
    expect(await read(saver)).toEqual({ list: [1] });
  });
});

function withoutKwargs(message: object): object {
  return Object.fromEntries(
    Object.entries(message).filter(([name, value]) => name !== "lc_kwargs" && value !== undefined),
  );
}

function withUsage(message: AIMessage): AIMessage {
  return Object.assign(message, { usage_metadata: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } });
}
