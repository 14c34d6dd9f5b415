// An error of a connection that nobody has yet: it comes with the server's greeting, before the pool's promise is kept.
import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import type { PgClient, PgPool } from "../../../src/backends/postgres/connection/pg-module.js";
import { postgresStorage } from "../../../src/backends/postgres/index.js";

class LostClient extends EventEmitter implements PgClient {
  readonly query = () => Promise.reject(new Error("Connection terminated unexpectedly"));
  readonly release = (): void => undefined;
}

/** Hands out connections as `pg-pool` does, each of which the server ends in the same moment. */
class LosingPool extends EventEmitter implements PgPool {
  readonly totalCount = 0;
  readonly idleCount = 0;
  readonly waitingCount = 0;
  connect(): Promise<PgClient> {
    return new Promise((resolve) => {
      // Both are in what came through the socket.
      setImmediate(() => {
        const client = new LostClient();
        this.emit("acquire", client);
        resolve(client);
        client.emit("error", new Error("terminating connection due to administrator command"));
      });
    });
  }
  async end(): Promise<void> {}
}

it("fails the call and nothing else (F2)", async () => {
  await using storage = postgresStorage({ pool: new LosingPool() });
  await expect(storage.getSession("s")).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
});
