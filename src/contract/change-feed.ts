/** What others write to a store, told to those who keep copies (F8). A port that a store may offer beside the contract. */
import type { StorageBackend } from "./storage-backend.js";

/** Something in a store has changed. Without `session` and `thread` anything of the tenant may have. */
export interface StoreChange {
  readonly tenant: string;
  readonly session?: string | undefined;
  readonly thread?: string | undefined;
}

/** Told of each change, soon after it; `"lost"` says that anything may have changed. */
export type ChangeListener = (change: StoreChange | "lost") => void;

/** A source of changes. */
export interface ChangeFeed {
  /** Begins to tell changes of other handles on the store, from the first `"lost"` on, which says that it listens. What it returns ends that. */
  subscribe(listener: ChangeListener): () => void | Promise<void>;
  /**
   * Looks at once whether others have written, and tells before it returns. A feed that has it tells nothing by itself: it is to be asked
   * before each use of a copy.
   */
  poll?(): void;
}

/** The feed of a storage that was opened with `changeFeed: true`; `undefined` where there is none, as on layers. */
export function changeFeed(storage: StorageBackend): ChangeFeed | undefined {
  const { changes } = storage as StorageBackend & { readonly changes?: ChangeFeed };
  return typeof changes?.subscribe === "function" ? changes : undefined;
}
