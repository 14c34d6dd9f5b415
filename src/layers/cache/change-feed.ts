/** What other processes have written, told by someone who knows: a store's notifications, or a message bus between the processes. */
import type { ChangeFeed } from "../../contract/change-feed.js";
import type { Entries } from "./entries.js";
import type { KnownLifetimes } from "./lifetimes.js";
import { Subjects } from "./subjects.js";

/** Lets go of what a feed says has changed. */
export function followFeed(
  feed: ChangeFeed | undefined,
  entries: Entries,
  known: KnownLifetimes,
  nameOf: (tenant: string) => string,
): () => void | Promise<void> {
  if (feed === undefined) return () => undefined;
  const unwatch = entries.watch(feed);
  const unsubscribe = feed.subscribe((change) => {
    entries.told();
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
  return () => {
    unwatch();
    return unsubscribe();
  };
}
