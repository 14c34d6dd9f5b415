// Another process that holds a lock on a file, as any SQLite program may.
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface HeldLock extends AsyncDisposable {
  /** Rolls back and ends the process; resolves when it has ended. */
  release(): Promise<void>;
}

/** Runs `sql` on the file in another process, which keeps the connection until it is told to let go. Resolves once it has the lock. */
export async function holdLock(path: string, sql: string): Promise<HeldLock> {
  const script = `
    const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(process.argv[1]);
    db.exec(process.argv[2]);
    console.log("held");
    process.stdin.resume().on("end", () => { if (db.isTransaction) db.exec("ROLLBACK"); db.close(); });
  `;
  const child = spawn(process.execPath, ["-e", script, path, sql], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit").then(([code]) => {
    if (code !== 0) throw new Error(`the process with the lock ended with ${code}`);
  });
  const release = (): Promise<void> => {
    child.stdin.end();
    return ended;
  };
  await Promise.race([once(child.stdout, "data"), ended]);
  return { release, [Symbol.asyncDispose]: release };
}
