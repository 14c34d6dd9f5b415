/** `waystone/langgraph`: the checkpointer, the store and the cache of LangGraph over any storage. */
import "../../require-node.js";

export { WaystoneCache, type WaystoneCacheOptions } from "./cache/cache.js";
export type { FindingKind, ImportFinding } from "./import/findings.js";
export { importLangGraph } from "./import/import-langgraph.js";
export type {
  ImportCounts,
  ImportLangGraphOptions,
  ImportLangGraphReport,
  ImportProgress,
} from "./import/import-options.js";
export { type OpenLangGraphOptions, openLangGraph } from "./import/open-source.js";
export type {
  CheckpointKey,
  LangGraphSource,
  Payload,
  SourceSize,
  TheirChannel,
  TheirCheckpoint,
  TheirWrite,
} from "./import/source.js";
export { decodeJsonPlus } from "./json-plus.js";
export type { RunDeletion } from "./run-deletion.js";
export { WaystoneSaver } from "./saver.js";
export type { Retention, WaystoneSaverOptions } from "./saver-options.js";
export { WaystoneStore } from "./store/store.js";
export type { StoreItem, StoreSearchItem } from "./store/store-items.js";
export type {
  CountStoreItemsOptions,
  PutStoreItemOptions,
  StoreFilter,
  StoreSearchOptions,
  StoreSearchPageQuery,
  StoreTtl,
  UpdateStoreItemOptions,
  WaystoneStoreOptions,
} from "./store/store-options.js";
export type { EmbedFunction, IndexedFields, StoreIndex, TextEmbedder } from "./store/text-index.js";
export type { ClassCodec } from "./value-codec.js";
