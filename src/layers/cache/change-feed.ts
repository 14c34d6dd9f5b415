/** What other processes have written, told by someone who knows: a store's notifications, or a message bus between the processes. */
import type { Entries } from "./entries.js";
import type { KnownLifetimes } from "./lifetimes.js";
import { Subjects } from "./subjects.js";

/** Something in a store has changed. Without `session` and `thread` anything of the tenant may have. */
export interface StoreChange {
  readonly tenant: string;
  readonly session?: string | undefined;
  readonly thread?: string | undefined;
}

/** A source of changes. */
export interface ChangeFeed {
  /**
   * Begins to tell changes, soon after each; `"lost"` says that some may have been missed. What it returns ends that.
   */
  subscribe(listener: (change: StoreChange | "lost") => void): () => void | Promise<void>;
}

/** Lets go of what a feed says has changed. */
export function followFeed(
  feed: ChangeFeed | undefined,
  entries: Entries,
  known: KnownLifetimes,
  nameOf: (tenant: string) => string,
): () => void | Promise<void> {
  if (feed === undefined) return () => undefined;
  return feed.subscribe((change) => {
    // Rare beside reads: what is known of lifetimes is asked again.
    known.mortal.clear();
    known.links.clear();
    if (change === "lost") {
      entries.forgetAll();
      return;
    }
    const subjects = new Subjects(nameOf(change.tenant));
    const { session, thread } = change;
    const changed = [
      ...(session === undefined
        ? []
        : [subjects.session(session), subjects.messages(session), subjects.contexts, subjects.allThreads]),
      ...(thread === undefined ? [] : [subjects.thread(thread), subjects.allSessions]),
    ];
    entries.freshness.changed(changed.length === 0 ? subjects.everything : changed);
  });
}
