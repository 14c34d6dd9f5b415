// The servers that tests start: real ones, with order of strings and syncing as a careful administrator sets them.
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { runSql, startPostgres } from "./postgres-server.js";
import { freshDatabase, sharedPostgres } from "./shared-postgres.js";

it("gives each asker an empty database of one shared server", async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  expect(one).not.toBe(two);
  await runSql(one, "CREATE TABLE seen (id int)");
  expect(await runSql(two, "SELECT count(*) FROM pg_tables WHERE tablename = 'seen'")).toBe("0");
  expect(await runSql((await sharedPostgres()).url, "SHOW fsync")).toBe("on");
});

it("starts a server for one test, stops it as it is told, and leaves nothing", async () => {
  let folder: string;
  {
    await using server = await startPostgres({ settings: { max_connections: 7 } });
    folder = server.dataFolder;
    expect(await runSql(server.url, "SHOW max_connections")).toBe("7");
    await runSql(server.url, "CREATE TABLE kept AS SELECT 1 AS id");
    await server.stop("immediate");
    await expect(runSql(server.url, "SELECT 1")).rejects.toThrow();
    await server.start();
    expect(await runSql(server.url, "SELECT id FROM kept")).toBe("1");
  }
  expect(existsSync(folder)).toBe(false);
});
