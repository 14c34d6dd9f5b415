// Interceptors hand on what the store gives, and a storage keeps its type behind one.
import { expectTypeOf, test } from "vitest";
import { type OpenOptions, openStorage, type StorageBackend } from "waystone";
import { type Interceptor, intercept, type Layer, monitor, retry, withLayers } from "waystone/layers";

declare const storage: StorageBackend & { readonly extra: number };

test("a storage keeps its type behind an interceptor", () => {
  expectTypeOf(intercept(storage, (_call, next) => next())).toEqualTypeOf<typeof storage>();
});

test("an interceptor cannot make a result up", () => {
  const passing: Interceptor = (_call, next) => next();
  expectTypeOf(passing).toEqualTypeOf<Interceptor>();
  // @ts-expect-error: a result comes from next alone
  const inventing: Interceptor = async () => undefined;
  expectTypeOf(inventing).toEqualTypeOf<Interceptor>();
});

test("layers are given as a list", () => {
  expectTypeOf(withLayers(storage, [retry(), monitor()])).toEqualTypeOf<StorageBackend>();
  expectTypeOf<Required<OpenOptions>["layers"]>().toEqualTypeOf<readonly Layer[] | undefined>();
  // @ts-expect-error: a function is no layer until it says where it stands
  openStorage("memory:", { layers: [(backend: StorageBackend) => backend] });
});
