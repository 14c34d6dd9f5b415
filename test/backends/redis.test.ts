// The conformance kit on the Redis backend, on a real server.
import { describe, it } from "vitest";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import { redisFactory } from "../testing/redis-factory.js";

describeStorage("redis", redisFactory, vitestRunner({ describe, it }));
