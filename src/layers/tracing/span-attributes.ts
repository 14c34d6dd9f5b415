/** What a span says of a call: identifiers and counts, never content. */
import type { Attributes } from "@opentelemetry/api";
import type { PruneReport } from "../../contract/checkpoint-storage.js";
import { subjectOf } from "../call-subject.js";
import type { LayerCall } from "../layer-call.js";
import { ATTRIBUTE, CONTEXT_STORE_ID, SPAN_NAMES } from "./names.js";

/** What is known before the call goes on. */
export function attributesOf(call: LayerCall): Attributes {
  const { operation } = call;
  const { sessionId, threadId, checkpointId, namespace, key } = subjectOf(call);
  const attributes: Attributes = { [ATTRIBUTE.backend]: call.backend };
  // The conventions know one conversation: a thread is one that no session was named for.
  const conversationId = sessionId ?? threadId;
  if (conversationId !== undefined) attributes[ATTRIBUTE.conversationId] = conversationId;
  if (checkpointId !== undefined) attributes[ATTRIBUTE.checkpointId] = checkpointId;
  if (operation === "storeCheckpoint") {
    const parentId = (call.args[3] as { readonly parentId?: unknown } | undefined)?.parentId;
    if (typeof parentId === "string") attributes[ATTRIBUTE.parentId] = parentId;
  }
  const name = SPAN_NAMES[operation];
  if (!name.includes(".")) {
    attributes[ATTRIBUTE.genAiOperation] = name;
    attributes[ATTRIBUTE.memoryStoreId] = namespace === undefined ? CONTEXT_STORE_ID : namespace.join("/");
    if (key !== undefined) attributes[ATTRIBUTE.memoryRecordId] = key;
  }
  return attributes;
}

/** How many records of a memory a call was about, by its result. */
export function recordCountOf({ operation }: LayerCall, result: unknown): number | undefined {
  switch (operation) {
    case "searchItems":
      return (result as { readonly items: readonly unknown[] }).items.length;
    case "getItem":
    case "getTaskContext":
      return result === undefined ? 0 : 1;
    case "deleteItem":
      return result === true ? 1 : 0;
    case "deleteItems":
      return result as number;
    case "putItem":
    case "updateItem":
    case "storeTaskContext":
      return 1;
    default:
      return undefined;
  }
}

/** What a call has removed because of its age or its number; nothing where it only counts. */
export function deletedBy(
  { operation, args, traits }: LayerCall,
  result: unknown,
): readonly { readonly kind: string; readonly count: number }[] {
  const options = args[traits.optionsAt ?? 0] as { readonly dryRun?: boolean } | undefined;
  if (options?.dryRun === true) return [];
  if (operation === "cleanupExpiredSessions") return [{ kind: "sessions", count: result as number }];
  if (operation !== "pruneCheckpoints") return [];
  return [{ kind: "checkpoints", count: (result as PruneReport).removedCheckpoints }];
}
