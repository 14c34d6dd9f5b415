// Ways to open a storage, and to let it go.
import { expectTypeOf, test } from "vitest";
import { type OpenOptions, openStorage, type StorageBackend, type StorageScheme } from "waystone";
import { memoryStorage } from "waystone/memory";
import { sqliteStorage } from "waystone/sqlite";

test("a URL, options, both or nothing", () => {
  expectTypeOf(openStorage()).toEqualTypeOf<Promise<StorageBackend>>();
  expectTypeOf(openStorage("memory:")).toEqualTypeOf<Promise<StorageBackend>>();
  expectTypeOf(openStorage("memory:", { tenant: "acme", timeoutMs: undefined })).toEqualTypeOf<
    Promise<StorageBackend>
  >();
  expectTypeOf(openStorage({ url: "memory:", env: {} })).toEqualTypeOf<Promise<StorageBackend>>();
  expectTypeOf(openStorage(process.env.MY_URL)).toEqualTypeOf<Promise<StorageBackend>>();
});

test("what is no URL and no options does not compile", () => {
  // @ts-expect-error: a URL object is not a text
  openStorage(new URL("memory:"));
  // @ts-expect-error: there is no such level
  openStorage("sqlite:./a.db", { durability: "memory" });
  // @ts-expect-error: there is no such option
  openStorage("memory:", { path: "./a.db" });
});

test("await using lets a storage go at the end of its block", async () => {
  await using storage = await openStorage("memory:");
  expectTypeOf(storage).toEqualTypeOf<StorageBackend>();
  await using view = storage.tenant("acme");
  expectTypeOf(view).toExtend<AsyncDisposable>();
});

test("a backend can be made without a URL", () => {
  expectTypeOf(memoryStorage()).toEqualTypeOf<StorageBackend>();
  expectTypeOf(memoryStorage({ keepVersions: 5, tenant: undefined })).toEqualTypeOf<StorageBackend>();
  expectTypeOf(sqliteStorage({ path: "./a.db" })).toEqualTypeOf<StorageBackend>();
  // @ts-expect-error: which file?
  sqliteStorage({});
});

test("a scheme of one's own has options and a way to open", () => {
  const scheme = {
    options: { region: (text) => text, replicas: (text, name) => Number(text) || name.length },
    open: async (path, options) => {
      expectTypeOf(path).toBeString();
      expectTypeOf(options).toEqualTypeOf<{ readonly [name: string]: unknown }>();
      return memoryStorage();
    },
  } satisfies StorageScheme;
  expectTypeOf(scheme).toExtend<StorageScheme>();
  expectTypeOf<{ schemes: { mine: typeof scheme } }>().toExtend<OpenOptions>();
  // @ts-expect-error: a scheme opens a storage
  openStorage("mine:x", { schemes: { mine: { options: {}, open: async () => undefined } } });
});
