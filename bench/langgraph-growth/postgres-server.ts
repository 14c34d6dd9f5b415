// The PostgreSQL server of a run: the one that the environment names, or one that is started for it.
import { type PostgresServer, startPostgres } from "../../test/support/postgres-server.ts";

export interface RunServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** An error, not thrown, says why there is none. */
export async function postgresServer(): Promise<RunServer | Error> {
  const url = process.env.WAYSTONE_TEST_POSTGRES_URL;
  if (url !== undefined) return { url, stop: async () => undefined };
  let server: PostgresServer;
  try {
    server = await startPostgres();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  return { url: server.url, stop: () => server[Symbol.asyncDispose]() };
}
