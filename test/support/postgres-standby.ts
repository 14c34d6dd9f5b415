// A standby of a server that a test has started: a copy that follows it until it is promoted.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type PostgresServer, postgresBinaries, runSql, serverUser, startPostgres } from "./postgres-server.js";

const run = promisify(execFile);

export async function startStandby(primary: PostgresServer): Promise<PostgresServer> {
  const user = await serverUser();
  return startPostgres({
    inMemory: true,
    settings: { primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres` },
    copyInto: async (dataFolder) => {
      const backup = join(await postgresBinaries(), "pg_basebackup");
      await run(backup, [
        "-h",
        "127.0.0.1",
        "-p",
        String(primary.port),
        "-U",
        "postgres",
        "-D",
        dataFolder,
        "-c",
        "fast",
      ]);
      writeFileSync(join(dataFolder, "standby.signal"), "");
      if (user !== undefined) await run("chown", ["-R", `${user.uid}:${user.gid}`, dataFolder]);
    },
  });
}

/** Returns once the standby takes writes. */
export async function promote(standby: PostgresServer): Promise<void> {
  await runSql(standby.url, "SELECT pg_promote(true, 30)");
}

/** Returns once the standby has all that the primary has. */
export async function untilCaughtUp(primary: PostgresServer, standby: PostgresServer): Promise<void> {
  const position = await runSql(primary.url, "SELECT pg_current_wal_lsn()");
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(20)) {
    if ((await runSql(standby.url, `SELECT pg_last_wal_replay_lsn() >= '${position}'`)) === "t") return;
  }
  throw new Error("the standby does not follow the primary");
}
