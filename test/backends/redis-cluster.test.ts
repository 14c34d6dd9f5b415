// The conformance kit on the Redis backend, on a real Cluster of six nodes.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { redisClusterFactory } from "../testing/redis-cluster-factory.js";

describeStorage("redis in a Cluster", redisClusterFactory, vitestRunner({ describe, it }), {
  scale: { messages: 2_000, racers: 16 },
});
