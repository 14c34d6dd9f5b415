// No `any` can be reached from what the package exports: an editor is never silent about a mistake.
import type { BaseCache, BaseCheckpointSaver, BaseStore } from "@langchain/langgraph-checkpoint";
import { expectTypeOf, test } from "vitest";
import type * as root from "waystone";
import type * as driver from "waystone/driver";
import type * as engine from "waystone/engine";
import type * as langgraph from "waystone/langgraph";
import type * as memory from "waystone/memory";
import type * as sqlite from "waystone/sqlite";
import type * as testing from "waystone/testing";
import type { FindAny } from "./find-any.js";

test("the search finds an any wherever it hides", () => {
  // biome-ignore lint/suspicious/noExplicitAny: this is what is looked for
  type Hidden = any;
  expectTypeOf<FindAny<Hidden, "here">>().toEqualTypeOf<"here">();
  expectTypeOf<FindAny<{ a: { b?: Hidden } }>>().toEqualTypeOf<".a.b">();
  expectTypeOf<FindAny<(a: string, b: Hidden) => void>>().toEqualTypeOf<"()<>">();
  expectTypeOf<FindAny<() => Promise<readonly Hidden[]>>>().toEqualTypeOf<"=><><>">();
  expectTypeOf<FindAny<new (a: string) => { b: Hidden }>>().toEqualTypeOf<"new.b">();
  expectTypeOf<FindAny<{ a: string; b: () => AsyncIterable<unknown> }>>().toBeNever();
});

test("no entry leads to an any", () => {
  expectTypeOf<FindAny<typeof root>>().toBeNever();
  expectTypeOf<FindAny<typeof memory>>().toBeNever();
  expectTypeOf<FindAny<typeof sqlite>>().toBeNever();
  expectTypeOf<FindAny<typeof engine>>().toBeNever();
  expectTypeOf<FindAny<typeof driver>>().toBeNever();
  expectTypeOf<FindAny<typeof testing>>().toBeNever();
});

test("the entry of LangGraph adds no any to those of LangGraph's own types", () => {
  type Inherited = keyof langgraph.WaystoneSaver & keyof BaseCheckpointSaver;
  type WithTheirTypes = "WaystoneCache" | "WaystoneSaver" | "WaystoneStore" | "importLangGraph";
  expectTypeOf<FindAny<Omit<typeof langgraph, WithTheirTypes>>>().toBeNever();
  expectTypeOf<FindAny<Omit<langgraph.WaystoneStore, keyof BaseStore>>>().toBeNever();
  expectTypeOf<FindAny<Omit<langgraph.WaystoneCache, keyof BaseCache>>>().toBeNever();
  expectTypeOf<FindAny<Omit<langgraph.WaystoneCacheOptions, "codecs" | "serde">>>().toBeNever();
  // A value of LangGraph's items is a record of `any`.
  expectTypeOf<FindAny<Omit<langgraph.StoreSearchItem, "value">>>().toBeNever();
  expectTypeOf<FindAny<langgraph.WaystoneStoreOptions>>().toBeNever();
  expectTypeOf<FindAny<Omit<langgraph.WaystoneSaver, Inherited>>>().toBeNever();
  // `codecs` is a list of codecs for different classes, `serde` is LangGraph's.
  expectTypeOf<FindAny<Omit<langgraph.WaystoneSaverOptions, "codecs" | "serde">>>().toBeNever();
  expectTypeOf<FindAny<Omit<langgraph.ImportLangGraphOptions, "saver" | "serde">>>().toBeNever();
  expectTypeOf<FindAny<langgraph.ImportLangGraphReport>>().toBeNever();
  expectTypeOf<FindAny<langgraph.ClassCodec<Date>>>().toBeNever();
});
