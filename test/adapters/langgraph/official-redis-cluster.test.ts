// The official suite on the Redis backend, in a Cluster, with a tenant of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { WaystoneSaver } from "../../../src/adapters/langgraph/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { startCluster } from "../../support/redis-cluster.js";
import { runOfficialSuite } from "./official-suite.js";

const { url } = await startCluster();
const opened = new Map<WaystoneSaver, StorageBackend>();

runOfficialSuite({
  checkpointerName: "WaystoneSaver in a Redis Cluster",
  createCheckpointer() {
    const storage = redisStorage({ url, tenant: randomUUID() });
    const saver = new WaystoneSaver(storage);
    opened.set(saver, storage);
    return saver;
  },
  async destroyCheckpointer(saver) {
    await opened.get(saver)?.close();
    opened.delete(saver);
  },
});
