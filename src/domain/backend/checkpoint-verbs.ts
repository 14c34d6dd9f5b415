/** The verbs of `CheckpointStorage`: arguments checked and encoded, results decoded. */
import type { CallOptions } from "../../contract/call.js";
import type {
  CheckpointStorage,
  DeleteCheckpointsOptions,
  GetCheckpointOptions,
  GetWritesOptions,
  ListCheckpointsOptions,
  PruneOptions,
  PrunePolicy,
  PutWritesOptions,
  StoreCheckpointOptions,
  ThreadQuery,
  WriteInput,
} from "../../contract/checkpoint-storage.js";
import { ConflictError, quoteIdentifier } from "../../contract/errors.js";
import { boolean, knownOptions } from "../arguments.js";
import {
  checkpointNamespace,
  etagArgument,
  parseCheckpoint,
  parseCheckpointListing,
  parseDeletedIds,
  parsePrunePolicy,
  parseThreadListing,
  takeWrites,
} from "../checkpoint-arguments.js";
import { checkpointDecoder, toCheckpointInfo, toThread, WRITE_DECODER } from "../checkpoints.js";
import { decodeTimeCursor, pageOf, queryDigest, timePosition } from "../cursors.js";
import type { FencingToken } from "../driver/call.js";
import type { CheckpointDriver, DeletionCounts } from "../driver/storage-driver.js";
import { identifier, identifierOrEmpty } from "../identifiers.js";
import { decodeRow, decodeRows, withText, withTexts } from "../large-values.js";
import type { FencedSubject } from "../leases.js";
import { fencingToken } from "../leases.js";
import type { RunCall } from "./run-call.js";

export function checkpointVerbs(run: RunCall, driver: CheckpointDriver): CheckpointStorage {
  return {
    storeCheckpoint: async (
      threadId: string,
      checkpointId: string,
      data: unknown,
      options?: StoreCheckpointOptions,
    ) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, STORE_FIELDS);
      const fence = storeFence(known, id);
      const checkpoint = parseCheckpoint(checkpointId, data, known);
      const stored = await run("storeCheckpoint", known, (call) =>
        withText(call, checkpoint.taken, (text) => driver.storeCheckpoint(call, id, checkpoint.stored(text), fence)),
      );
      return toCheckpointInfo(id, stored);
    },

    getCheckpoint: async (threadId: string, options?: GetCheckpointOptions) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["checkpointId", "namespace", "writes", "ifNoneMatch"]);
      const wanted = {
        namespace: checkpointNamespace(known.namespace),
        checkpointId: known.checkpointId === undefined ? null : identifier(known.checkpointId, "checkpointId"),
        writes: known.writes !== undefined && boolean(known.writes, "writes"),
        ifNoneMatch: known.ifNoneMatch === undefined ? null : etagArgument(known.ifNoneMatch),
      };
      return run("getCheckpoint", known, async (call) => {
        const stored = await driver.getCheckpoint(call, id, wanted);
        const decoder = checkpointDecoder(id, { ...wanted, data: true });
        return stored === undefined ? undefined : decodeRow(call, stored, decoder);
      });
    },

    listCheckpoints: async (threadId: string, options?: ListCheckpointsOptions) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["namespace", "limit", "before", "metadata", "data", "writes"]);
      const listing = parseCheckpointListing(known);
      return run("listCheckpoints", known, async (call) => {
        const stored = listing.limit === 0 ? [] : await driver.listCheckpoints(call, id, listing);
        return decodeRows(call, stored, checkpointDecoder(id, listing));
      });
    },

    putWrites: async (
      threadId: string,
      checkpointId: string,
      taskId: string,
      writes: readonly WriteInput[],
      options?: PutWritesOptions,
    ) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["namespace", "taskPath", "overwrite", "lease"]);
      const target = {
        namespace: checkpointNamespace(known.namespace),
        checkpointId: identifier(checkpointId, "checkpointId"),
        overwrite: known.overwrite !== undefined && boolean(known.overwrite, "overwrite"),
      };
      const taskPath = known.taskPath === undefined ? "" : identifierOrEmpty(known.taskPath, "taskPath");
      const fence = fencingToken(known.lease, [{ kind: "thread", id }]);
      const parsed = takeWrites(writes, identifier(taskId, "taskId"), taskPath);
      return run("putWrites", known, async (call) =>
        parsed.length === 0
          ? undefined
          : withTexts(call, parsed, (all) => driver.putWrites(call, id, target, all, fence)),
      );
    },

    getWrites: async (threadId: string, checkpointId: string, options?: GetWritesOptions) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["namespace"]);
      const target = {
        namespace: checkpointNamespace(known.namespace),
        checkpointId: identifier(checkpointId, "checkpointId"),
      };
      return run("getWrites", known, async (call) =>
        decodeRows(call, await driver.getWrites(call, id, target), WRITE_DECODER),
      );
    },

    listThreads: async (query?: ThreadQuery) => {
      const known = knownOptions(query, ["sessionId", "orderBy", "direction", "limit", "cursor"], "query");
      const listing = parseThreadListing(known);
      const { limit: _limit, ...asked } = listing;
      const digest = queryDigest("listThreads", asked);
      const after = decodeTimeCursor(known.cursor, digest);
      return run("listThreads", known, async (call) =>
        pageOf(call, await driver.listThreads(call, { ...listing, after }), digest, toThread, (last) =>
          timePosition(last[listing.orderBy], last.threadId),
        ),
      );
    },

    copyThread: async (fromThreadId: string, toThreadId: string, options?: CallOptions) => {
      const from = identifier(fromThreadId, "fromThreadId");
      const to = identifier(toThreadId, "toThreadId");
      const result = await run("copyThread", knownOptions(options, []), (call) => driver.copyThread(call, from, to));
      if (result === "exists") throw new ConflictError(`thread ${quoteIdentifier(to)} already exists`);
      return result === "copied";
    },

    deleteThread: async (threadId: string, options?: CallOptions) => {
      const id = identifier(threadId, "threadId");
      return run("deleteThread", knownOptions(options, []), (call) => driver.deleteThread(call, id));
    },

    deleteCheckpoints: async (
      threadId: string,
      checkpointIds: readonly string[],
      options?: DeleteCheckpointsOptions,
    ) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["namespace", "lease"]);
      const target = {
        namespace: checkpointNamespace(known.namespace),
        checkpointIds: parseDeletedIds(checkpointIds),
      };
      const fence = fencingToken(known.lease, [{ kind: "thread", id }]);
      const { kept, ...counts } = await run("deleteCheckpoints", known, async (call) =>
        target.checkpointIds.length === 0 ? NOTHING_DELETED : driver.deleteCheckpoints(call, id, target, fence),
      );
      return { ...counts, keptCheckpointIds: [...kept] };
    },

    pruneCheckpoints: async (policy: PrunePolicy, options?: PruneOptions) => {
      const rule = parsePrunePolicy(policy);
      const known = knownOptions(options, ["dryRun"]);
      const dryRun = known.dryRun !== undefined && boolean(known.dryRun, "dryRun");
      // A copy: what a driver gives where nothing was pruned may be shared.
      return run("pruneCheckpoints", known, async (call) => ({
        ...(await driver.pruneCheckpoints(call, { ...rule, dryRun })),
      }));
    },
  };
}

const NOTHING_DELETED: DeletionCounts = { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };

const STORE_FIELDS = [
  "namespace",
  "parentId",
  "metadata",
  "sessionId",
  "expectedHead",
  "needsParent",
  "lease",
] as const;

/** The lease of the thread, or of the session that the checkpoint is stored for. */
function storeFence(options: Partial<StoreCheckpointOptions>, threadId: string): FencingToken | null {
  const subjects: FencedSubject[] = [{ kind: "thread", id: threadId }];
  if (options.sessionId !== undefined) {
    subjects.push({ kind: "session", id: identifier(options.sessionId, "sessionId") });
  }
  return fencingToken(options.lease, subjects);
}
