/** Which things a call is about: their identifiers alone, never what they hold. */
import type { LayerCall } from "./layer-call.js";

/** What was said, as it was said: a wrong argument is left out. */
export interface CallSubject {
  sessionId?: string;
  threadId?: string;
  checkpointId?: string;
  /** Labels of an item's namespace, or of a prefix. */
  namespace?: readonly string[];
  key?: string;
}

export function subjectOf({ operation, traits, args }: LayerCall): CallSubject {
  const subject: CallSubject = {};
  const [first, second] = args;
  switch (traits.subject) {
    case "session":
      if (typeof first === "string") subject.sessionId = first;
      break;
    case "thread":
      if (typeof first === "string") subject.threadId = first;
      checkpointOf(subject, operation, args);
      break;
    case "item":
    case "items":
      if (Array.isArray(first) && first.every((label) => typeof label === "string")) subject.namespace = first;
      if (typeof second === "string") subject.key = second;
      break;
    case "lease":
      leaseOf(subject, first);
      break;
    case "store":
      if (operation === "exportRecords") filterOf(subject, first);
      break;
    case "sessions":
    case "threads":
      if (operation === "shareTaskContext" && typeof first === "string") subject.sessionId = first;
      break;
  }
  return subject;
}

function checkpointOf(subject: CallSubject, operation: LayerCall["operation"], args: readonly unknown[]): void {
  const [, second] = args;
  if (operation === "getCheckpoint") {
    const checkpointId = field(second, "checkpointId");
    if (typeof checkpointId === "string") subject.checkpointId = checkpointId;
  } else if (operation === "storeCheckpoint" || operation === "putWrites" || operation === "getWrites") {
    if (typeof second === "string") subject.checkpointId = second;
    const sessionId = operation === "storeCheckpoint" ? field(args[3], "sessionId") : undefined;
    if (typeof sessionId === "string") subject.sessionId = sessionId;
  }
}

/** A lease, or the subject of one that is asked for. */
function leaseOf(subject: CallSubject, first: unknown): void {
  const of = field(first, "subject") ?? first;
  const session = field(of, "session");
  const thread = field(of, "thread");
  if (typeof session === "string") subject.sessionId = session;
  if (typeof thread === "string") subject.threadId = thread;
}

function filterOf(subject: CallSubject, filter: unknown): void {
  const sessionId = field(filter, "sessionId");
  const threadId = field(filter, "threadId");
  if (typeof sessionId === "string") subject.sessionId = sessionId;
  if (typeof threadId === "string") subject.threadId = threadId;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as { readonly [name: string]: unknown })[name]
    : undefined;
}
