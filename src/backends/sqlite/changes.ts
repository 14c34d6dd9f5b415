/** The feed of changes of the SQLite backend (F8): the file says whether others have committed to it, when it is asked. */
import type { ChangeFeed } from "../../contract/change-feed.js";
import { ChangeListeners } from "../../domain/driver/changes.js";
import type { OpenFile } from "./store.js";

/** @param opened the file; `undefined` before it is open and after it was closed */
export function changeFeed(opened: () => OpenFile | undefined): ChangeFeed {
  const listeners = new ChangeListeners();
  let last: number | undefined;
  return {
    subscribe: (listener) => {
      listener("lost");
      return listeners.add(listener);
    },
    poll: () => {
      const file = opened();
      if (file === undefined || listeners.size === 0) return;
      const version = versionOf(file);
      if (version === undefined || version !== last) listeners.tell("lost");
      last = version;
    },
  };
}

/** A number that others' commits change, and those of this connection, which does all writing here, do not. */
function versionOf(file: OpenFile): number | undefined {
  try {
    return file.inspect((connection) => connection.get<{ data_version: number }>("PRAGMA data_version")?.data_version);
  } catch {
    // A file that cannot say, because another process has it, may have changed: what is read next tells what is wrong with it.
    return undefined;
  }
}
