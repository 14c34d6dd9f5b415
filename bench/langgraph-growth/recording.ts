// Replays recorded conversations of a real agent on every saver, conversation by conversation in turns.
import type { BaseMessage } from "@langchain/core/messages";
import {
  graphMessages,
  questions,
  type RecordedConversation,
  recordedGraph,
  textBytes,
} from "../../test/support/recorded-graph.ts";
import { inUnits } from "./report.ts";
import type { Subject } from "./savers.ts";

/** A table: milliseconds a message, and what is on disk. */
export async function replayRecording(
  subjects: readonly Subject[],
  conversations: readonly RecordedConversation[],
): Promise<string[]> {
  const runs = [];
  for (const { title, open } of subjects) {
    const store = await open("recording");
    // Savers make their tables when they are first asked.
    await store.saver.getTuple({ configurable: { thread_id: "none" } });
    runs.push({ title, store, empty: (await store.bytes?.()) ?? 0, ms: 0 });
  }
  for (const conversation of conversations) {
    for (const run of runs) {
      const start = performance.now();
      await replay(conversation, run.store.saver);
      run.ms += performance.now() - start;
    }
  }
  const messages = conversations.reduce((sum, { messages }) => sum + messages.length, 0);
  const text = conversations.reduce((sum, conversation) => sum + textBytes(conversation), 0);
  const lines = [
    `${conversations.length} recorded conversations, ${messages} messages, ${inUnits(text)} of text`,
    "",
    "| saver | ms a message | bytes stored | x text |",
    "| --- | ---: | ---: | ---: |",
  ];
  for (const { title, store, empty, ms } of runs) {
    const bytes = await store.bytes?.();
    const grown = bytes === undefined ? ["", ""] : [inUnits(bytes - empty), ((bytes - empty) / text).toFixed(1)];
    lines.push(`| ${title} | ${(ms / messages).toFixed(2)} | ${grown.join(" | ")} |`);
    await store.close();
  }
  return lines;
}

async function replay(conversation: RecordedConversation, saver: Parameters<typeof recordedGraph>[1]): Promise<void> {
  const graph = recordedGraph(conversation, saver);
  const thread = { configurable: { thread_id: conversation.id } };
  const said: BaseMessage[] = graphMessages(conversation);
  for (const messages of questions(said)) await graph.invoke({ messages }, { ...thread, recursionLimit: said.length });
  const { values } = await graph.getState(thread);
  if (values.messages.length !== said.length) throw new Error(`${conversation.id} lost messages`);
}
