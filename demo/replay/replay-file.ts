// Replays recorded conversations into a fresh store: sessions, messages, and a checkpoint after each answer.
import { statSync } from "node:fs";
import { Presets, SingleBar } from "cli-progress";
import { type NewMessage, openStorage, type StorageBackend } from "waystone";
import { freshStore } from "../fresh-store.ts";
import { type RecordedConversation, RecordingError, recordedConversations } from "./conversations.ts";

/** Conversations under way at once: their writes share transactions. */
const AT_ONCE = 16;

interface Totals {
  conversations: number;
  messages: number;
  checkpoints: number;
  bytes: number;
}

/** Returns the exit code: 1 when the store does not hold what was replayed, 4 for a file that is not a recording. */
export async function replayFile(file: string): Promise<number> {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    console.error(`there is no file ${file}`);
    return 3;
  }
  const url = freshStore("replay");
  await using storage = await openStorage(url);
  const totals: Totals = { conversations: 0, messages: 0, checkpoints: 0, bytes: 0 };
  const bar = new SingleBar(
    {
      format: "{bar} {percentage}% | {conversations} conversations, {messages} messages, {rate}/s",
      hideCursor: true,
      noTTYOutput: !process.stderr.isTTY,
      notTTYSchedule: 5000,
    },
    Presets.shades_classic,
  );
  const start = performance.now();
  let read = 0;
  bar.start(size, 0, { conversations: 0, messages: 0, rate: 0 });
  try {
    await forEachAtOnce(
      recordedConversations(file, (bytes) => {
        read += bytes;
      }),
      AT_ONCE,
      async (conversation) => {
        await replay(storage, conversation, totals);
        const rate = Math.round(totals.messages / seconds(start));
        bar.update(read, { conversations: totals.conversations, messages: totals.messages, rate });
      },
    );
  } catch (error) {
    bar.stop();
    if (!(error instanceof RecordingError)) throw error;
    console.error(`${file} cannot be replayed: ${error.message}`);
    return 4;
  }
  bar.stop();
  return report(storage, url, totals, seconds(start));
}

async function replay(storage: StorageBackend, conversation: RecordedConversation, totals: Totals): Promise<void> {
  const { id, user, messages } = conversation;
  await storage.createSession(id, user, { ifExists: "return" });
  const said: NewMessage[] = [];
  for (const turn of turns(messages)) {
    said.push(...turn);
    await storage.addConversationMessages(id, turn);
    await storage.storeCheckpoint(id, `turn-${said.length}`, { messages: said }, { sessionId: id });
    totals.messages += turn.length;
    totals.checkpoints += 1;
  }
  await storage.endSession(id);
  totals.conversations += 1;
  totals.bytes += conversation.bytes;
}

/** A turn ends with a message of the assistant; what follows the last one is a turn of its own. */
function turns(messages: readonly NewMessage[]): NewMessage[][] {
  const all: NewMessage[][] = [[]];
  for (const message of messages) {
    all.at(-1)?.push(message);
    if (message.role === "assistant") all.push([]);
  }
  return all.filter((turn) => turn.length > 0);
}

/** Compares what the store holds with what was acknowledged. */
async function report(storage: StorageBackend, url: string, totals: Totals, elapsed: number): Promise<number> {
  const metrics = await storage.getMetrics();
  const stored = {
    conversations: metrics.sessions.value,
    messages: metrics.messages.value,
    checkpoints: metrics.checkpoints.value,
  };
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log("\n                acknowledged      stored");
  let same = true;
  for (const kind of ["conversations", "messages", "checkpoints"] as const) {
    console.log(`${kind.padEnd(15)} ${String(totals[kind]).padStart(12)} ${String(stored[kind]).padStart(11)}`);
    same &&= totals[kind] === stored[kind];
  }
  const onDisk = metrics.sizeBytes === undefined ? "" : `, ${megabytes(metrics.sizeBytes.value)} on disk`;
  console.log(`\n${megabytes(totals.bytes)} of text${onDisk}; ${elapsed.toFixed(1)} s,`);
  console.log(
    `${Math.round(totals.messages / elapsed)} messages and ${Math.round(totals.checkpoints / elapsed)} checkpoints a second, each durable when acknowledged.`,
  );
  console.log(`\nLook at it:  npx waystone sessions ls --url ${url}`);
  if (!same) console.error("\nThe store does not hold what was acknowledged.");
  return same ? 0 : 1;
}

function seconds(start: number): number {
  return (performance.now() - start) / 1000;
}

/** Works on `width` items of a stream at once; the first failure ends it. */
async function forEachAtOnce<T>(
  items: AsyncGenerator<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const worker = async (): Promise<void> => {
    for (;;) {
      const next = await items.next();
      if (next.done === true) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
