// A turn of an agent: its work runs once, and what it leaves is stored once, however often the caller tries.
import { openStorage } from "waystone";
import { contextEngine } from "waystone/engine";

await using storage = await openStorage("memory:");
const engine = contextEngine(storage);
const session = await engine.open("trip-1", { userId: "ada" });

let modelCalls = 0;
async function answer(question: string): Promise<string> {
  modelCalls += 1;
  return `You asked: ${question}`;
}

// The same turn again: after a crash, a timeout, or because a user pressed the key twice.
for (const attempt of [1, 2]) {
  const turn = await session.turn({ turnId: "turn-1" }, async (turn) => {
    turn.message("user", "When does the train leave?");
    const text = await answer("When does the train leave?");
    turn.message("assistant", text);
    turn.context({ waitingFor: "the user" });
    turn.checkpoint({ answered: 1 });
    return text;
  });
  console.log(`attempt ${attempt}:`, turn.result, turn.replayed ? "(from the store)" : "(new)");
}
console.log("the model was asked", modelCalls, "time");

// A turn that fails is counted, and nothing of it stays behind.
try {
  await session.turn({ turnId: "turn-2" }, (turn) => {
    turn.message("user", "And the next one?");
    throw new Error("the model is overloaded");
  });
} catch (error) {
  console.log("turn-2:", (error as Error).message);
}

const stored = await session.get();
console.log(
  "stored:",
  stored?.messageCount,
  "messages,",
  stored?.requestCount,
  "requests,",
  stored?.errorCount,
  "error",
);
console.log("context:", (await session.context())?.context, "checkpoint:", (await session.latest())?.data);

// What to give to the model next: the newest messages that fit.
const window = await session.window({ maxMessages: 10 });
for (const { role, content } of window.messages) console.log(`  ${role}: ${content}`);
