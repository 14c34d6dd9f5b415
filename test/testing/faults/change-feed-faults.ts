// Faults of feeds that tell of others' changes. Handles share one driver, as those of a store do.
import {
  type ChangeFeed,
  type ChangeListener,
  changeFeed,
  type StoreChange,
} from "../../../src/contract/change-feed.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { memoryFactory } from "../memory-factory.js";
import type { Fault } from "./fault.js";

export const CHANGE_FEED_FAULTS: readonly Fault[] = [
  feedFault("the feed tells nothing of threads", (tell) => (change) => {
    if (change === "lost" || change.thread === undefined) tell(change);
  }),

  feedFault("the feed names the session before", (tell) => {
    let before: StoreChange | undefined;
    return (change) => {
      if (change === "lost" || change.session === undefined) return tell(change);
      if (before !== undefined) tell(before);
      before = { ...change, session: `${change.session}-` };
    };
  }),

  feedFault("a view hears of every tenant", (tell) => tell, { views: "all" }),

  feedFault("who has left is told all the same", (tell) => tell, { leaves: false }),

  feedFault("the feed does not say when it begins", (tell) => {
    let began = false;
    return (change) => {
      if (change !== "lost" || began) tell(change);
      began = true;
    };
  }),

  feedFault("a storage has a feed that nobody asked for", (tell) => tell, { always: true }),
];

/** What a listener is told instead. */
type Telling = (tell: ChangeListener) => ChangeListener;

function feedFault(
  name: string,
  telling: Telling,
  {
    leaves = true,
    always = false,
    views,
  }: { readonly leaves?: boolean; readonly always?: boolean; readonly views?: "all" } = {},
): Fault {
  const wrong = (storage: StorageBackend, root: StorageBackend): StorageBackend => {
    const feed = changeFeed(views === "all" ? root : storage);
    if (feed === undefined) return storage;
    const changes: ChangeFeed = {
      ...feed,
      subscribe: (listener) => {
        const leave = feed.subscribe(telling(listener));
        return leaves ? leave : () => undefined;
      },
    };
    return { ...storage, tenant: (tenant) => wrong(storage.tenant(tenant), root), ...{ changes } };
  };
  return {
    name,
    promises: ["F8"],
    factory: {
      ...memoryFactory,
      create: async () => {
        const harness = await memoryFactory.create();
        return {
          ...harness,
          open: async (options) => {
            const storage = await harness.open(always ? { ...options, changeFeed: true } : options);
            return wrong(storage, storage);
          },
        };
      },
    },
  };
}
