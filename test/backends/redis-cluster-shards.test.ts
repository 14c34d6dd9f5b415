// The conformance kit on the Redis backend with tenants that are spread over sixteen hash tags of a real Cluster: what depends on where things are.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { redisClusterShardsFactory } from "../testing/redis-cluster-factory.js";

describeStorage("redis over shards of a Cluster", redisClusterShardsFactory, vitestRunner({ describe, it }), {
  scale: { messages: 2_000, racers: 16 },
  filter: (name) => /^([SCKTLMP]\d|F3)/.test(name),
});
