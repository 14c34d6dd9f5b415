/** The task context side of the engine: versions of the working state, changed without losing anybody's change. */
import type { CallOptions } from "../contract/call.js";
import { ConflictError } from "../contract/errors.js";
import type { MetadataInput } from "../contract/json.js";
import type {
  GetTaskContextOptions,
  ListTaskContextVersionsOptions,
  StoreTaskContextOptions,
  TaskContext,
  TaskContextInfo,
} from "../contract/task-context-storage.js";
import { integer, knownOptions } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import { callable } from "./checks.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";

/** Makes the next context of the current one, `undefined` if there is none. It may run several times: it must only compute. */
export type ContextChange = (current: unknown, version: number) => unknown;

export interface UpdateContextOptions extends Pick<StoreTaskContextOptions, "lease" | "signal" | "timeoutMs"> {
  readonly metadata?: MetadataInput | undefined;
  /** How often to begin anew when another writer was faster, 1 to 1,000. Default 20. */
  readonly attempts?: number | undefined;
}

export interface EngineContexts {
  /** The newest version, or the one asked for; `undefined` if there is none. */
  load(sessionId: string, options?: GetTaskContextOptions): Promise<TaskContext | undefined>;
  /** Stores the next version (T1). @throws SessionNotFoundError, ConflictError (`expectedVersion`), FencedError */
  save(sessionId: string, context: unknown, options?: StoreTaskContextOptions): Promise<TaskContextInfo>;
  /**
   * Stores what `change` makes of the current context, as a compare-and-set; reads and computes again when another writer was
   * faster, so no writer's change is lost.
   * @throws ConflictError when every attempt lost, SessionNotFoundError, and what `change` throws
   */
  update(sessionId: string, change: ContextChange, options?: UpdateContextOptions): Promise<TaskContext>;
  /** Versions that are kept, newest first, without their content (T2). */
  history(sessionId: string, options?: ListTaskContextVersionsOptions): Promise<TaskContextInfo[]>;
  /** From now on both sessions read and write the first one's context (T3). */
  share(fromSessionId: string, withSessionId: string, options?: CallOptions): Promise<void>;
}

export function engineContexts(environment: EngineEnvironment): EngineContexts {
  const { storage } = environment;
  return {
    load: (sessionId, options) => storage.getTaskContext(sessionId, options),
    save: (sessionId, context, options) => storage.storeTaskContext(sessionId, context, options),
    update: (sessionId, change, options) => update(environment, sessionId, change, options),
    history: (sessionId, options) => storage.listTaskContextVersions(sessionId, options),
    share: (fromSessionId, withSessionId, options) => storage.shareTaskContext(fromSessionId, withSessionId, options),
  };
}

async function update(
  { storage, wait }: EngineEnvironment,
  sessionId: string,
  change: ContextChange,
  options: UpdateContextOptions = {},
): Promise<TaskContext> {
  identifier(sessionId, "sessionId");
  callable(change, "change");
  const { metadata, lease, attempts: given, ...rest } = knownOptions(options, ["metadata", "lease", "attempts"]);
  const attempts = given === undefined ? 20 : integer(given, "attempts", { min: 1, max: 1000 });
  const call = callOptions(rest);
  for (let attempt = 1; ; attempt++) {
    const current = await storage.getTaskContext(sessionId, call);
    const version = current?.version ?? 0;
    const context = await change(current?.context, version);
    try {
      const stored = await storage.storeTaskContext(sessionId, context, {
        expectedVersion: version,
        metadata,
        lease,
        ...call,
      });
      return { ...stored, context };
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt >= attempts) throw error;
    }
    // Many writers that all begin again at once would keep losing to each other.
    await wait(Math.random() * Math.min(100, 2 ** attempt), call.signal);
  }
}
