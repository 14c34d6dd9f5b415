// The conformance kit on the Redis backend with tenants that are spread over four hash tags.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { redisShardsFactory } from "../testing/redis-factory.js";

describeStorage("redis over shards", redisShardsFactory, vitestRunner({ describe, it }), {
  scale: { messages: 2_000, racers: 16 },
});
