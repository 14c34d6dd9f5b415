/** Task contexts: the newest version of a session's context is kept until this process stores one anywhere, as sessions share them. */
import type { CallOptions } from "../../contract/call.js";
import type {
  GetTaskContextOptions,
  ListTaskContextVersionsOptions,
  StoreTaskContextOptions,
  TaskContext,
  TaskContextStorage,
} from "../../contract/task-context-storage.js";
import { integer, knownOptions } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { type Kept, keepContext, keepNothing } from "./kept.js";
import { isAborted, isShared, type TenantCache } from "./tenant-cache.js";

export function taskContextVerbs(cache: TenantCache): TaskContextStorage {
  const { inner, entries, subjects, lifetimes } = cache;
  return {
    storeTaskContext: (sessionId: string, context: unknown, options?: StoreTaskContextOptions) =>
      cache.writing([subjects.session(String(sessionId)), subjects.contexts], () =>
        inner.storeTaskContext(sessionId, context, options),
      ),

    getTaskContext: async (sessionId: string, options?: GetTaskContextOptions) => {
      const id = identifier(sessionId, "sessionId");
      const { version } = knownOptions(options, ["version"]);
      if (version !== undefined) integer(version, "version", { min: 1 });
      if (version !== undefined || cache.validates || isAborted(options)) {
        return inner.getTaskContext(sessionId, options);
      }
      let lasts: Promise<boolean> | undefined;
      return entries.read<TaskContext | undefined, Kept<TaskContext | undefined>>({
        key: `${subjects.contexts} ${id}`,
        subjects: [subjects.contexts],
        shared: isShared(options),
        give: (kept) => ({ result: kept.give() }),
        fetch: () => {
          lasts = lifetimes.sessionLasts(id);
          return inner.getTaskContext(id, options);
        },
        keep: async (found) => {
          if ((await lasts) !== true) return undefined;
          return found === undefined ? keepNothing() : keepContext(found);
        },
        isAbsent: (found) => found === undefined,
      });
    },

    listTaskContextVersions: (sessionId: string, options?: ListTaskContextVersionsOptions) =>
      inner.listTaskContextVersions(sessionId, options),

    shareTaskContext: (fromSessionId: string, withSessionId: string, options?: CallOptions) =>
      cache.writing(
        [subjects.session(String(fromSessionId)), subjects.session(String(withSessionId)), subjects.contexts],
        () => inner.shareTaskContext(fromSessionId, withSessionId, options),
      ),
  };
}
