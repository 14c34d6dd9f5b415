// PostgreSQL inside the process (PGlite) behind a pool of `pg`. It has one session, which all clients of the pool use in turn.
import { PGlite } from "@electric-sql/pglite";
import { PglitePgConnection } from "@electric-sql/pglite/node-postgres";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";

/** A server of its own, whose extension `vector` is there to be created. The pool's `end` ends it. */
export async function startPglite(): Promise<pg.Pool> {
  const server = await PGlite.create({ extensions: { vector } });
  let sessionIsFree: Promise<unknown> = Promise.resolve();

  class SharedSession extends PglitePgConnection {
    override async connect(port: number, host: string): Promise<void> {
      await sessionIsFree;
      await super.connect(port, host);
    }

    // `types` of a statement are parsers of columns for `pg`, and types of parameters for PGlite.
    override parse(statement: object): void {
      super.parse({ ...statement, types: undefined });
    }

    /** A client may leave in the middle of a transaction: a server would roll back, and forget what was prepared. */
    override end(): void {
      super.end();
      sessionIsFree = new Promise((resolve) => this.once("end", resolve)).then(async () => {
        await server.exec("ROLLBACK");
        await server.exec("DISCARD ALL");
      });
    }
  }

  class Client extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super({ ...config, connection: new SharedSession({ pglite: server }) } as pg.ClientConfig);
    }
  }

  const settings = { Client, max: 1, pipeline: true, host: "pglite", user: "postgres", database: "postgres" };
  const pool = new pg.Pool(settings as pg.PoolConfig);
  const end = pool.end.bind(pool);
  pool.end = async () => {
    await end();
    await server.close();
  };
  return pool;
}
