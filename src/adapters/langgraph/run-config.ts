/** What a LangGraph config says about where a checkpoint is. */
import type { RunnableConfig } from "@langchain/core/runnables";
import { InvalidArgumentError } from "../../contract/errors.js";

/** The place of a checkpoint; what the config does not say is `undefined`. */
export interface Place {
  readonly threadId: string | undefined;
  readonly namespace: string | undefined;
  readonly checkpointId: string | undefined;
}

/** @throws InvalidArgumentError for an id that is no string */
export function placeOf(config: RunnableConfig | undefined): Place {
  const fields = fieldsOf(config);
  return {
    threadId: textOf(fields, "thread_id"),
    namespace: textOf(fields, "checkpoint_ns"),
    checkpointId: textOf(fields, "checkpoint_id") || textOf(fields, "thread_ts") || undefined,
  };
}

/** The place to write to. @throws InvalidArgumentError without `thread_id` */
export function writablePlaceOf(config: RunnableConfig): Place & { threadId: string; namespace: string } {
  const place = placeOf(config);
  if (place.threadId === undefined) {
    throw new InvalidArgumentError("config.configurable.thread_id is missing: it says which thread the state is of");
  }
  return { ...place, threadId: place.threadId, namespace: place.namespace ?? "" };
}

/** What else the run says: the session its thread belongs to, its id, and whether it compares heads. */
export function runOf(config: RunnableConfig): {
  readonly sessionId: string | undefined;
  readonly runId: string | undefined;
  readonly compareAndSet: boolean | undefined;
} {
  const fields = fieldsOf(config);
  const compareAndSet = fields.compare_and_set;
  if (compareAndSet !== undefined && typeof compareAndSet !== "boolean") {
    throw new InvalidArgumentError("config.configurable.compare_and_set must be true or false");
  }
  const runId = fields.run_id ?? config.metadata?.run_id ?? config.runId;
  return {
    sessionId: textOf(fields, "session_id"),
    runId: typeof runId === "string" ? runId : undefined,
    compareAndSet,
  };
}

export function configOf(threadId: string, namespace: string, checkpointId: string): RunnableConfig {
  return { configurable: { thread_id: threadId, checkpoint_ns: namespace, checkpoint_id: checkpointId } };
}

function fieldsOf(config: RunnableConfig | undefined): Readonly<Record<string, unknown>> {
  return config?.configurable ?? {};
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined;
  throw new InvalidArgumentError(`config.configurable.${name} must be a string, not a ${typeof value}`);
}
