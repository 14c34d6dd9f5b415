// The process that is killed: rotates the keys of a file, slowly, and tells its parent how far it is.
import { writeSync } from "node:fs";
import { encryption, keyRing, rotateKeys } from "waystone/layers";
import { sqliteStorage } from "waystone/sqlite";

const [path = "", k1 = "", k2 = ""] = process.argv.slice(2);
const storage = encryption({ keys: keyRing({ current: "k2", keys: { k1, k2 } }) })(sqliteStorage(path));
const rotation = rotateKeys(storage, {
  pauseMs: 1,
  onProgress: (progress) => writeSync(1, `${JSON.stringify(progress)}\n`),
});
await rotation.finished;
await storage.close();
