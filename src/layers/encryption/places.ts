/** Where values stand, and what each is bound to. Written once: what seals a value and what opens it must say the same. */
import { quoteIdentifier } from "../../contract/errors.js";
import { type GrantHolder, grantSubject } from "./grants.js";
import { bound } from "./seal.js";
import type { Place } from "./tenant-seals.js";

export function sessionMetadataPlace(sessionId: string): Place {
  return {
    kind: "session",
    subject: sessionId,
    names: ["session metadata"],
    what: `session ${quoteIdentifier(sessionId)}`,
  };
}

export function messagePlace(sessionId: string, messageId: string, role: string): Place {
  return {
    kind: "session",
    subject: sessionId,
    names: ["message", messageId, role],
    what: `message ${quoteIdentifier(messageId)} of session ${quoteIdentifier(sessionId)}`,
  };
}

export function messageMetadataPlace(sessionId: string, messageId: string): Place {
  return { ...messagePlace(sessionId, messageId, ""), names: ["message metadata", messageId] };
}

/** @param label who has sealed it */
export function contextPlace(label: string, version: number): Place {
  return { kind: "context", subject: label, names: ["context", version], what: `version ${version} of a task context` };
}

export function contextMetadataPlace(label: string, version: number): Place {
  return { ...contextPlace(label, version), names: ["context metadata", version] };
}

export function itemPlace(namespace: readonly string[], key: string): Place {
  return {
    kind: "item",
    subject: JSON.stringify(namespace),
    names: ["item", key],
    what: `item ${quoteIdentifier(key)}`,
  };
}

/** What of a checkpoint its state is bound to. */
export interface CheckpointPlace {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId?: string | undefined;
  readonly needsParent: boolean;
}

export function stateBinding({ namespace, checkpointId, parentId, needsParent }: CheckpointPlace): Buffer {
  return bound("state", namespace, checkpointId, parentId ?? null, needsParent);
}

export function checkpointName(threadId: string, checkpointId: string): string {
  return `checkpoint ${quoteIdentifier(checkpointId)} of thread ${quoteIdentifier(threadId)}`;
}

/** What of a write its value is bound to. */
export interface WriteNames {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly taskId: string;
  readonly index: number;
  readonly channel: string;
}

export function writePlace(threadId: string, write: WriteNames): Place {
  const { namespace, checkpointId, taskId, index, channel } = write;
  return {
    kind: "thread",
    subject: threadId,
    names: ["write", namespace, checkpointId, taskId, index, channel],
    what: `a write of ${checkpointName(threadId, checkpointId)}`,
  };
}

export function checkpointMetadataPlace(threadId: string, namespace: string, checkpointId: string): Place {
  return {
    kind: "thread",
    subject: threadId,
    names: ["checkpoint metadata", namespace, checkpointId],
    what: `the metadata of ${checkpointName(threadId, checkpointId)}`,
  };
}

/** What the grants of a subject are bound to. */
export function grantPlace(holder: GrantHolder, id: string): Place {
  return { kind: "grant", subject: grantSubject(holder, id), names: ["grant"], what: `the grants of a ${holder}` };
}
