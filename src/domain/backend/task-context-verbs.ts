/** The verbs of `TaskContextStorage`: arguments checked and encoded, results decoded. */

import type { CallOptions } from "../../contract/call.js";
import { InvalidArgumentError } from "../../contract/errors.js";
import type {
  GetTaskContextOptions,
  ListTaskContextVersionsOptions,
  StoreTaskContextOptions,
  TaskContextStorage,
} from "../../contract/task-context-storage.js";
import { integer, knownOptions, listLimit } from "../arguments.js";
import { takeText } from "../codec/codec.js";
import { storedText } from "../codec/long-text.js";
import type { TaskContextDriver } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { decodeRow, withText } from "../large-values.js";
import { fencingToken } from "../leases.js";
import { encodeMetadata } from "../metadata.js";
import { mapInSlices } from "../slices.js";
import { contextDecoder, toContextInfo } from "../task-contexts.js";
import type { RunCall } from "./run-call.js";

/** Versions that `listTaskContextVersions` returns unless told otherwise. */
const DEFAULT_VERSIONS = 20;

export function taskContextVerbs(run: RunCall, driver: TaskContextDriver): TaskContextStorage {
  return {
    storeTaskContext: async (sessionId: string, context: unknown, options?: StoreTaskContextOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["expectedVersion", "metadata", "lease"]);
      const expectedVersion =
        known.expectedVersion === undefined ? null : integer(known.expectedVersion, "expectedVersion", { min: 0 });
      const metadata = known.metadata === undefined ? "{}" : encodeMetadata(known.metadata, "metadata");
      const fence = fencingToken(known.lease, [{ kind: "session", id }]);
      const taken = takeText(context);
      const stored = await run("storeTaskContext", known, (call) =>
        withText(call, taken, (text) =>
          driver.storeContext(
            call,
            id,
            { context: storedText(text), sizeBytes: text.bytes, metadata, expectedVersion },
            fence,
          ),
        ),
      );
      return toContextInfo(id, stored);
    },

    getTaskContext: async (sessionId: string, options?: GetTaskContextOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["version"]);
      const version = known.version === undefined ? null : integer(known.version, "version", { min: 1 });
      return run("getTaskContext", known, async (call) => {
        const stored = await driver.getContext(call, id, version);
        return stored === undefined ? undefined : decodeRow(call, stored, contextDecoder(id));
      });
    },

    listTaskContextVersions: async (sessionId: string, options?: ListTaskContextVersionsOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["limit", "before"]);
      const limit = listLimit(known.limit, DEFAULT_VERSIONS);
      const before = known.before === undefined ? null : integer(known.before, "before", { min: 0 });
      return run("listTaskContextVersions", known, async (call) => {
        const stored = limit === 0 ? [] : await driver.listContexts(call, id, { limit, before });
        return mapInSlices(call, stored, (each) => toContextInfo(id, each));
      });
    },

    shareTaskContext: async (fromSessionId: string, withSessionId: string, options?: CallOptions) => {
      const from = identifier(fromSessionId, "fromSessionId");
      const to = identifier(withSessionId, "withSessionId");
      // What the second session had alone is dropped: of one session with itself that would be everything.
      if (from === to) throw new InvalidArgumentError("withSessionId must be another session than fromSessionId");
      return run("shareTaskContext", knownOptions(options, []), (call) => driver.shareContext(call, from, to));
    },
  };
}
