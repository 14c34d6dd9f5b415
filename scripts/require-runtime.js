// Says in one sentence what to do when the pinned Node is not the one that runs the scripts.
// Plain JavaScript, because an older Node has to be able to read it.
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const pinned = `v${manifest.devDependencies.node}`;

if (process.version !== pinned) {
  console.error(
    `The scripts of this repository run on Node ${pinned}; this is ${process.version}. ` +
      "Run them through npm after `npm ci`; if install scripts were switched off there, " +
      "`npm rebuild node --ignore-scripts=false` fetches the pinned Node.",
  );
  process.exit(1);
}
