/** What the two threads of a long write say to each other. */
import type { Durability, Journal } from "../connection/journal.js";
import type { LongWriteName, LongWrites } from "./works.js";

/** A write for another thread. */
export interface LongWrite<Name extends LongWriteName = LongWriteName> {
  readonly path: string;
  readonly journal: Journal;
  readonly durability: Durability;
  readonly tenant: string;
  readonly name: Name;
  readonly told: LongWrites[Name]["told"];
}

/** What the thread is given when it is started. */
export interface ThreadData {
  readonly write: LongWrite;
  /** Its one number is not 0 once nobody wants the write any more. */
  readonly unwanted: Int32Array;
}

/** `written`: all but COMMIT is done. A commit that failed because others read may be asked for again. */
export type Answer =
  | { readonly kind: "written"; readonly value: unknown }
  | { readonly kind: "committed" }
  | { readonly kind: "failed"; readonly error: unknown; readonly fields: object };

export type Request = "commit" | "end";
