// The official suite on the Redis backend, with a tenant of its own for each saver: nothing left out.
import { randomUUID } from "node:crypto";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sharedRedis } from "../../support/redis-server.js";
import { runOfficialSuite } from "./official-suite.js";

const url = await sharedRedis();

runOfficialSuite("on Redis", () => redisStorage({ url, tenant: randomUUID() }));
