// The official suite on the PostgreSQL backend, with a tenant of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { freshDatabase } from "../../support/shared-postgres.js";
import { runOfficialSuite } from "./official-suite.js";

const url = await freshDatabase();
const opened = new Map<WaystoneSaver, StorageBackend>();

runOfficialSuite({
  checkpointerName: "WaystoneSaver on PostgreSQL",
  createCheckpointer() {
    const storage = postgresStorage({ url, tenant: randomUUID() });
    const saver = new WaystoneSaver(storage);
    opened.set(saver, storage);
    return saver;
  },
  async destroyCheckpointer(saver) {
    await opened.get(saver)?.close();
    opened.delete(saver);
  },
});
