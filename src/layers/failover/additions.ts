/** What operations add to the end of sessions and threads; all that this does not tell of may change what is there already. */
import type { ServedOperation } from "./operation-units.js";

/**
 * - `row`: messages of a session, and what the row of the whole says.
 * - `checkpoint`: one under this name, if none has it; the thread is linked to `link`, where that is given.
 * - `writes`: of the checkpoint of this name.
 */
export type Addition =
  | { readonly kind: "row" }
  | { readonly kind: "checkpoint"; readonly name: string; readonly link: string | undefined }
  | { readonly kind: "writes"; readonly name: string };

const ROW: Addition = { kind: "row" };

/** `undefined` for a call that may do anything else. */
export function additionOf(operation: ServedOperation, args: readonly unknown[]): Addition | undefined {
  switch (operation) {
    case "addConversationMessage":
    case "addConversationMessages":
    case "updateSession":
    case "endSession":
      return ROW;
    case "createSession":
      // A session that is there stays as it is; one that was made anew is made at another time.
      return textOption(args[2], "ifExists") === "return" ? ROW : undefined;
    case "storeCheckpoint": {
      const name = nameOf(args[1], args[3]);
      const link = textOption(args[3], "sessionId");
      return name === undefined ? undefined : { kind: "checkpoint", name, link };
    }
    case "putWrites": {
      const name = nameOf(args[1], args[4]);
      return name === undefined ? undefined : { kind: "writes", name };
    }
    default:
      return undefined;
  }
}

/** Names a checkpoint of a thread. */
export function checkpointName(namespace: string, checkpointId: string): string {
  return JSON.stringify([namespace, checkpointId]);
}

function nameOf(checkpointId: unknown, options: unknown): string | undefined {
  return typeof checkpointId === "string"
    ? checkpointName(textOption(options, "namespace") ?? "", checkpointId)
    : undefined;
}

function textOption(options: unknown, name: string): string | undefined {
  const value = (options as { readonly [name: string]: unknown } | null | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}
