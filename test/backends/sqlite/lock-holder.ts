// Another process that holds a lock on a file for some time, as any SQLite program may.
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs `sql` on the file in another process, keeps the connection for `ms`, then rolls back. Resolves once it has the lock. */
export async function holdLock(path: string, sql: string, ms: number): Promise<{ ended: Promise<void> }> {
  const script = `
    const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(process.argv[1]);
    db.exec(process.argv[2]);
    console.log("held");
    setTimeout(() => { if (db.isTransaction) db.exec("ROLLBACK"); db.close(); }, Number(process.argv[3]));
  `;
  const child = spawn(process.execPath, ["-e", script, path, sql, String(ms)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit").then(([code]) => {
    if (code !== 0) throw new Error(`the process with the lock ended with ${code}`);
  });
  await Promise.race([once(child.stdout, "data"), exit]);
  return { ended: exit };
}
