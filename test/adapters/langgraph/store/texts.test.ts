// Which texts of a value are embedded: those that LangGraph's own store embeds.
import { InMemoryStore } from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { expect, it } from "vitest";
import { textsAtPath } from "../../../../src/adapters/langgraph/store/text-at-path.js";
import type { JsonObject } from "../../../../src/contract/json.js";
import { DIMS, RecordingEmbeddings } from "./embedders.js";

const value = {
  title: "Trip",
  n: 7,
  yes: true,
  none: null,
  meta: { title: "Deep", tags: ["a", "b"] },
  parts: [{ text: "one" }, { text: "two", note: "2" }, "three"],
};

it.each<[path: string, texts: string[]]>([
  ["$", [JSON.stringify(value, null, 2)]],
  ["title", ["Trip"]],
  ["n", ["7"]],
  ["yes", ["true"]],
  ["none", []],
  ["missing", []],
  ["missing.deeper", []],
  ["meta.title", ["Deep"]],
  ["meta.tags", [JSON.stringify(["a", "b"], null, 2)]],
  ["meta.tags[*]", ["a", "b"]],
  ["meta.tags[0]", ["a"]],
  ["meta.tags[-1]", ["b"]],
  ["meta.tags[9]", []],
  ["meta.tags[x]", []],
  ["parts[*].text", ["one", "two"]],
  ["parts[1].note", ["2"]],
  ["parts[0].text.length", []],
  ["meta.*", ["Deep", JSON.stringify(["a", "b"], null, 2)]],
  ["{title,meta.title}", ["Trip", "Deep"]],
  ["toString", []],
  ["__proto__", []],
])("the path %s", (path, texts) => {
  expect(textsAtPath(value, path)).toEqual(texts);
});

it("any path into any value gives what LangGraph's own store embeds", async () => {
  const key = fc.constantFrom("a", "b", "c");
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("x", "y", "", 0, 1.5, true, false, null),
      fc.array(tie("json"), { maxLength: 3 }),
      fc.dictionary(key, tie("json"), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  const object = fc.dictionary(key, json, { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<JsonObject>;
  const index = fc.constantFrom("", "[*]", "[0]", "[-1]", "[2]", "[*][*]");
  const step = fc.tuple(fc.oneof(key, fc.constant("*")), index).map(([name, at]) => name + at);
  const fields = fc.array(fc.array(key, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 });
  const last = fc.oneof(
    step,
    fields.map((paths) => `{${paths.map((path) => path.join(".")).join(", ")}}`),
  );
  const path = fc.oneof(
    fc.constant("$"),
    fc.tuple(fc.array(step, { maxLength: 2 }), last).map(([steps, end]) => [...steps, end].join(".")),
  );
  await fc.assert(
    fc.asyncProperty(object, path, async (any, at) => {
      const embeddings = new RecordingEmbeddings();
      const theirs = new InMemoryStore({ index: { dims: DIMS, embeddings, fields: [at] } });
      await theirs.put(["n"], "k", any);
      const [embedded = []] = embeddings.calls as string[][];
      // Of keys in braces, also of a single one, theirs embeds a `null` as the text "null"; elsewhere it has none.
      expect([...new Set(textsAtPath(any, at))].sort()).toEqual(embedded.filter((text) => text !== "null").sort());
    }),
    { numRuns: 500, examples: [[{ a: null }, "{a}"]] },
  );
});
