// Options may be spread and passed on: a field that is there with `undefined` means the same as one that is not.
import { expectTypeOf, test } from "vitest";
import type {
  AcquireLeaseOptions,
  AddMessageOptions,
  CallOptions,
  CleanupOptions,
  CreateSessionOptions,
  DeleteItemOptions,
  ExportFilter,
  GetCheckpointOptions,
  GetItemOptions,
  GetTaskContextOptions,
  GetWritesOptions,
  HistoryOptions,
  ImportOptions,
  ItemComparison,
  ItemQuery,
  ListCheckpointsOptions,
  ListTaskContextVersionsOptions,
  MessageRange,
  NamespaceQuery,
  NewMessage,
  NewSession,
  OpenOptions,
  PruneOptions,
  PrunePolicy,
  PutItemOptions,
  PutWritesOptions,
  RenewLeaseOptions,
  SessionQuery,
  SessionUpdate,
  StorageBackend,
  StorageErrorOptions,
  StoreCheckpointOptions,
  StoreTaskContextOptions,
  ThreadQuery,
  TimeRange,
  UpdateSessionOptions,
} from "waystone";
import type {
  CompactOptions,
  EngineOptions,
  FollowOptions,
  RecordTurnOptions,
  StartOptions,
  TurnOptions,
  WindowOptions,
} from "waystone/engine";
import type { MemoryStorageOptions } from "waystone/memory";
import type { SqliteStorageOptions } from "waystone/sqlite";
import type { RefusesUndefined, WritableKeys } from "./type-shape.js";

type Options =
  | AcquireLeaseOptions
  | AddMessageOptions
  | CallOptions
  | CleanupOptions
  | CreateSessionOptions
  | DeleteItemOptions
  | ExportFilter
  | GetCheckpointOptions
  | GetItemOptions
  | GetTaskContextOptions
  | GetWritesOptions
  | HistoryOptions
  | ImportOptions
  | ItemComparison
  | ItemQuery
  | ListCheckpointsOptions
  | ListTaskContextVersionsOptions
  | Exclude<MessageRange, "all">
  | NamespaceQuery
  | NewMessage
  | NewSession
  | OpenOptions
  | PruneOptions
  | PrunePolicy
  | PutItemOptions
  | PutWritesOptions
  | RenewLeaseOptions
  | SessionQuery
  | SessionUpdate
  | StorageErrorOptions
  | StoreCheckpointOptions
  | StoreTaskContextOptions
  | ThreadQuery
  | TimeRange
  | UpdateSessionOptions
  | MemoryStorageOptions
  | SqliteStorageOptions
  | CompactOptions
  | EngineOptions
  | FollowOptions
  | RecordTurnOptions
  | StartOptions
  | TurnOptions
  | WindowOptions;

declare const storage: StorageBackend;

test("every optional field takes an explicit undefined", () => {
  expectTypeOf<RefusesUndefined<{ a?: string; b?: string | undefined }>>().toEqualTypeOf<"a">();
  expectTypeOf<RefusesUndefined<Options>>().toBeNever();
});

test("every option is readonly, so that a frozen object can be passed", () => {
  expectTypeOf<WritableKeys<Options>>().toBeNever();
});

test("a field that no verb knows does not compile", () => {
  // @ts-expect-error: the option is called ifExists
  storage.createSession("s", "u", { ifexists: "return" });
  // @ts-expect-error: the field is called incrementRequests
  storage.updateSession("s", { increment: true });
  // @ts-expect-error: sessions are not ordered by their user
  storage.listSessions({ orderBy: "userId" });
});

test("closed lists of words are closed", () => {
  expectTypeOf<CreateSessionOptions["ifExists"]>().toEqualTypeOf<"error" | "return" | undefined>();
  expectTypeOf<ImportOptions["onConflict"]>().toEqualTypeOf<"error" | "skip" | "replace" | "extend" | undefined>();
  expectTypeOf<StoreCheckpointOptions["expectedHead"]>().toEqualTypeOf<string | null | undefined>();
  expectTypeOf<Parameters<StorageBackend["endSession"]>[1]>().toEqualTypeOf<
    "completed" | "failed" | "expired" | undefined
  >();
});
