/** The verbs of a storage, as they are once it is open. */
import type { StorageDriver } from "../../domain/driver/storage-driver.js";

export type Verbs = Required<
  Omit<StorageDriver, "changes" | "kind" | "open" | "close" | "health" | "mapError" | "searchNearest">
>;

/** Every verb by those of the storage as it is opened. */
export function verbsOf(opened: () => Verbs): Verbs {
  return {
    createSession: (...given) => opened().createSession(...given),
    createSessions: (...given) => opened().createSessions(...given),
    getSessions: (...given) => opened().getSessions(...given),
    updateSession: (...given) => opened().updateSession(...given),
    endSession: (...given) => opened().endSession(...given),
    listSessions: (...given) => opened().listSessions(...given),
    deleteSession: (...given) => opened().deleteSession(...given),
    cleanupSessions: (...given) => opened().cleanupSessions(...given),
    addMessages: (...given) => opened().addMessages(...given),
    getHistory: (...given) => opened().getHistory(...given),
    deleteMessages: (...given) => opened().deleteMessages(...given),
    storeCheckpoint: (...given) => opened().storeCheckpoint(...given),
    getCheckpoint: (...given) => opened().getCheckpoint(...given),
    listCheckpoints: (...given) => opened().listCheckpoints(...given),
    putWrites: (...given) => opened().putWrites(...given),
    getWrites: (...given) => opened().getWrites(...given),
    listThreads: (...given) => opened().listThreads(...given),
    copyThread: (...given) => opened().copyThread(...given),
    deleteThread: (...given) => opened().deleteThread(...given),
    deleteCheckpoints: (...given) => opened().deleteCheckpoints(...given),
    pruneCheckpoints: (...given) => opened().pruneCheckpoints(...given),
    storeContext: (...given) => opened().storeContext(...given),
    getContext: (...given) => opened().getContext(...given),
    listContexts: (...given) => opened().listContexts(...given),
    shareContext: (...given) => opened().shareContext(...given),
    runItemSteps: (...given) => opened().runItemSteps(...given),
    searchItems: (...given) => opened().searchItems(...given),
    countItems: (...given) => opened().countItems(...given),
    listNamespaces: (...given) => opened().listNamespaces(...given),
    deleteItems: (...given) => opened().deleteItems(...given),
    acquireLease: (...given) => opened().acquireLease(...given),
    renewLease: (...given) => opened().renewLease(...given),
    releaseLease: (...given) => opened().releaseLease(...given),
    metrics: (...given) => opened().metrics(...given),
    exportRecords: (...given) => opened().exportRecords(...given),
    importBatch: (...given) => opened().importBatch(...given),
    replaceStored: (...given) => opened().replaceStored(...given),
  };
}
