// The process that is killed: copies a thread again and again, each time in another thread, and tells its parent what is committed.
import { writeSync } from "node:fs";
import { WriteElsewhere } from "#dist/backends/sqlite/long-writes/elsewhere.js";

const [path = "", round = ""] = process.argv.slice(2);
for (let i = 0; ; i++) {
  const to = `copy ${round} ${i}`;
  const write = WriteElsewhere.start({
    path,
    journal: "wal",
    durability: "crash",
    tenant: "default",
    name: "copyThread",
    told: { from: "t", to, now: Date.now() },
  });
  await write?.written();
  await write?.commit();
  writeSync(1, `${to}\n`);
  await write?.end();
}
