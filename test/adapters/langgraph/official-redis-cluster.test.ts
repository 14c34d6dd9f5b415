// The official suite on the Redis backend, in a Cluster, each tenant in one slot or over sixteen, with a tenant of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { startCluster } from "../../support/redis-cluster.js";
import { runOfficialSuite } from "./official-suite.js";

const { url } = await startCluster();

runOfficialSuite("in a Redis Cluster", () => redisStorage({ url, tenant: randomUUID() }));

const shards = { prefix: "spread", shards: 16 };
runOfficialSuite("over shards of a Redis Cluster", () => redisStorage({ url, tenant: randomUUID(), ...shards }));
