// The official suite on the SQLite backend, with a file of its own for each saver: nothing left out.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { runOfficialSuite } from "./official-suite.js";

const opened = new Map<WaystoneSaver, { storage: StorageBackend; folder: string }>();

runOfficialSuite({
  checkpointerName: "WaystoneSaver on SQLite",
  createCheckpointer() {
    const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-"));
    const storage = sqliteStorage(join(folder, "store.db"));
    const saver = new WaystoneSaver(storage);
    opened.set(saver, { storage, folder });
    return saver;
  },
  async destroyCheckpointer(saver) {
    const own = opened.get(saver);
    if (own === undefined) return;
    opened.delete(saver);
    await own.storage.close();
    rmSync(own.folder, { recursive: true, force: true });
  },
});
