// The demo. Without arguments: an agent that is killed and goes on. With a file: recorded conversations, replayed.
import { replayFile } from "./replay/replay-file.ts";
import { surviveKill } from "./survive-kill/survive-kill.ts";

const [file, ...rest] = process.argv.slice(2);
if (rest.length > 0 || file === "--help" || file === "-h") {
  console.error("usage: npm run demo             an agent that survives kill -9");
  console.error("       npm run demo -- FILE     replay recorded conversations (JSON Lines, .gz too)");
  process.exitCode = file === "--help" || file === "-h" ? 0 : 2;
} else {
  process.exitCode = file === undefined ? await surviveKill() : await replayFile(file);
}
