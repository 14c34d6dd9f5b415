// The operations table and the contract name the same verbs, and a backend has all of them.
import { expectTypeOf, test } from "vitest";
import { OPERATION_NAMES, OPERATIONS, type OperationName, type StorageBackend } from "waystone";

/** Members of a storage that are no call upon the store. */
type Aside = "kind" | "tenantName" | "timeoutMs" | "tenant" | typeof Symbol.asyncDispose;

/** Members of the contract that a storage could lack and still compile. */
type Dispensable<T> = { [K in keyof T]: Omit<T, K> extends T ? K : never }[keyof T];

declare const storage: StorageBackend;

test("OPERATIONS has exactly the verbs of a storage", () => {
  expectTypeOf<OperationName>().toEqualTypeOf<Exclude<keyof StorageBackend, Aside>>();
  expectTypeOf<keyof typeof OPERATIONS>().toEqualTypeOf<OperationName>();
  expectTypeOf(OPERATION_NAMES).toEqualTypeOf<readonly OperationName[]>();
});

test("no member of a storage can be left out", () => {
  expectTypeOf<Dispensable<{ a: string; b?: string }>>().toEqualTypeOf<"b" | undefined>();
  expectTypeOf<Dispensable<StorageBackend>>().toBeNever();
});

test("a storage that lacks a verb does not compile", () => {
  const { getSession: _getSession, ...lacking } = storage;
  // @ts-expect-error: getSession is missing
  const incomplete: StorageBackend = lacking;
  expectTypeOf(incomplete).toEqualTypeOf<StorageBackend>();
});

test("a table that lacks a verb does not compile", () => {
  const { getSession: _getSession, ...lacking } = OPERATIONS;
  // @ts-expect-error: getSession is not classified
  const incomplete: typeof OPERATIONS = lacking;
  expectTypeOf(incomplete).toEqualTypeOf<typeof OPERATIONS>();
});

test("whether a keyed verb may be sent again is asked with its own arguments", () => {
  const { retry } = OPERATIONS.addConversationMessage;
  if (typeof retry !== "string") {
    expectTypeOf(retry.keyed).parameters.toEqualTypeOf<Parameters<StorageBackend["addConversationMessage"]>>();
    expectTypeOf(retry.keyed).returns.toEqualTypeOf<boolean>();
  }
});

test("every verb but the streams takes a signal and a deadline last", () => {
  type Streams = "exportRecords" | "importRecords" | "close";
  type LastOf<Args extends readonly unknown[]> =
    Required<Args> extends readonly [...unknown[], infer Last] ? Last : never;
  type Takes<K extends OperationName> =
    LastOf<Parameters<StorageBackend[K]>> extends { signal?: AbortSignal | undefined; timeoutMs?: number | undefined }
      ? never
      : K;
  type Lacking = { [K in Exclude<OperationName, Streams>]: Takes<K> }[Exclude<OperationName, Streams>];
  expectTypeOf<Lacking>().toBeNever();
});
