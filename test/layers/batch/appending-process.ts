// The process that is killed: takes messages and counts on while its store does not answer, and tells its parent which.
import { writeSync } from "node:fs";
import { bufferedWriter } from "waystone/layers";
import { memoryStorage } from "waystone/memory";

const [journal = ""] = process.argv.slice(2);
const storage = memoryStorage();
const never = (): Promise<never> => new Promise(() => undefined);
const away = { addConversationMessages: never, updateSession: never };
const writer = bufferedWriter({ ...storage, ...away }, { journal });

for (let i = 0; ; i++) {
  const { messageId } = await writer.append(`s${i % 3}`, "user", `message ${i}`, { metadata: { i } });
  await writer.count(`s${i % 3}`, { incrementRequests: true });
  writeSync(1, `${messageId}\n`);
}
