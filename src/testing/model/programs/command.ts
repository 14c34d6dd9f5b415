/** Commands: what a program is a list of, and how one is written for people. */
import { inspect } from "node:util";
import type { Lease, LeaseSubject } from "../../../contract/call.js";
import type { StorageErrorCode } from "../../../contract/errors.js";
import type { Verb, VerbArgs } from "../verbs.js";

/** The tenant of the storage that was opened. */
export const ROOT_TENANT = "default";

export interface CallCommand {
  readonly kind: "call";
  /** By which of the open handles, from 0. */
  readonly handle: number;
  readonly tenant: string;
  readonly verb: Verb;
  readonly args: readonly unknown[];
  /** How many times in a row, at least 1. */
  readonly times: number;
  /** The arguments are wrong in themselves: the call is refused with this code, whatever is stored. */
  readonly refusal?: StorageErrorCode;
}

export type Command =
  | CallCommand
  /** Takes a listing up where its page ended: `paging` counts those that have more, from the newest. */
  | { readonly kind: "nextPage"; readonly paging: number }
  /** Moves the clock, also back. */
  | { readonly kind: "advance"; readonly ms: number }
  /** Closes the store and opens it again. */
  | { readonly kind: "reopen" }
  /** Exports every tenant into a new store, and goes on there. */
  | { readonly kind: "move" };

/** A lease that the program acquired for a subject before: the newest, or the one so many before it. */
export class EarlierLease implements Lease {
  readonly subject: LeaseSubject;
  readonly back: number;
  readonly token = 0;
  readonly owner = "";
  readonly acquiredAt: Date = new Date(0);
  readonly expiresAt: Date = new Date(0);

  constructor(subject: LeaseSubject, back: number) {
    this.subject = subject;
    this.back = back;
    // Defined here, because a declaration file cannot name a computed method.
    const shown = back === 0 ? `newestLease(${show(subject)})` : `lease(${show(subject)}, ${back} before)`;
    Object.defineProperty(this, inspect.custom, { value: () => shown });
  }
}

/** In place of an etag: that of the state of the thread that came so many states ago. */
export function earlierEtag(back: number): string {
  return `etag of ${back} states ago`;
}

/** A call of a verb by a tenant. */
export function call<V extends Verb>(tenant: string, verb: V, ...args: VerbArgs<V>): CallCommand {
  return { kind: "call", handle: 0, tenant, verb, args, times: 1 };
}

/** The command as a line that can be read, and nearly run. */
export function describeCommand(command: Command): string {
  switch (command.kind) {
    case "call": {
      const { handle, tenant, verb, args, times, refusal } = command;
      const opened = handle === 0 ? "store" : `store${handle + 1}`;
      const store = tenant === ROOT_TENANT ? opened : `${opened}.tenant(${show(tenant)})`;
      const given = args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
      const often = times === 1 ? "" : `   // ${times} times`;
      return `${store}.${verb}(${given.map(show).join(", ")})${often}${refusal === undefined ? "" : `   // ${refusal}`}`;
    }
    case "nextPage":
      return `nextPage(${command.paging})`;
    case "advance":
      return `clock.advance(${command.ms})`;
    case "reopen":
      return "store = await reopen(store)";
    case "move":
      return "store = await exportIntoNewStore(store)";
  }
}

/** A value on one line, nothing left out. */
export function show(value: unknown): string {
  return inspect(value, { depth: null, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: null, compact: true });
}
