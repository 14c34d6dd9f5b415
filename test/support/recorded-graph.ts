// Recorded conversations with an agent as turns of a LangGraph graph: each question starts a run, in which the agent and its tools say
// what they said then. Tests and benchmarks run it.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import type { BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";

export interface RecordedConversation {
  readonly id: string;
  readonly messages: readonly RecordedMessage[];
}

interface RecordedMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string | null;
  readonly tool_calls?: readonly { id: string; function: { name: string; arguments: string } }[];
  readonly tool_call_id?: string;
  readonly name?: string;
}

/** The file that `WAYSTONE_TEST_RECORDING` names, or the one that lies beside the repository. */
export const recordingPath: string =
  process.env.WAYSTONE_TEST_RECORDING ??
  join(resolve(import.meta.dirname, "../.."), "../shared/data/airline-agent-trajectories.jsonl.gz");

/** Empty where the file is not there. */
export function recordedConversations(path: string = recordingPath): RecordedConversation[] {
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { conversation, messages } = JSON.parse(line) as { conversation: string; messages: RecordedMessage[] };
      return { id: conversation, messages };
    });
}

/** The messages of a conversation as a graph keeps them; each call makes new ones. */
export function graphMessages({ id, messages }: RecordedConversation): BaseMessage[] {
  return messages.map((message, position) => graphMessage(message, `${id}#${position}`));
}

/** Bytes of what was said: contents, and names and arguments of tool calls. */
export function textBytes({ messages }: RecordedConversation): number {
  const said = messages.flatMap(({ content, tool_calls = [] }) => [
    content ?? "",
    ...tool_calls.map((call) => call.function.name + call.function.arguments),
  ]);
  return Buffer.byteLength(said.join(""));
}

/** A graph whose agent and tools say what was recorded, each time the next message behind those of the state. */
export function recordedGraph(conversation: RecordedConversation, checkpointer: BaseCheckpointSaver) {
  const script = graphMessages(conversation);
  const next = ({ messages }: typeof MessagesAnnotation.State) => ({
    messages: script.slice(messages.length, messages.length + 1),
  });
  const following = ({ messages }: typeof MessagesAnnotation.State) => {
    const message = script[messages.length];
    if (message instanceof ToolMessage) return "tools";
    return message instanceof AIMessage ? "agent" : END;
  };
  return new StateGraph(MessagesAnnotation)
    .addNode("agent", next)
    .addNode("tools", next)
    .addConditionalEdges(START, following, ["agent", END])
    .addConditionalEdges("agent", following, ["tools", END])
    .addConditionalEdges("tools", following, ["agent", END])
    .compile({ checkpointer });
}

/** What the runs of a conversation begin with: everything from a question, or from the head, up to the agent's first word. */
export function questions(messages: readonly BaseMessage[]): BaseMessage[][] {
  const inputs: BaseMessage[][] = [];
  let isOpen = false;
  for (const message of messages) {
    const isInput = message instanceof HumanMessage || message instanceof SystemMessage;
    if (isInput && isOpen) inputs.at(-1)?.push(message);
    else if (isInput) inputs.push([message]);
    isOpen = isInput;
  }
  return inputs;
}

function graphMessage({ role, content, tool_calls, tool_call_id, name }: RecordedMessage, id: string): BaseMessage {
  const text = content ?? "";
  switch (role) {
    case "system":
      return new SystemMessage({ id, content: text });
    case "user":
      return new HumanMessage({ id, content: text });
    case "tool":
      return new ToolMessage({
        id,
        content: text,
        tool_call_id: tool_call_id ?? "",
        ...(name === undefined ? {} : { name }),
      });
    case "assistant": {
      const calls = (tool_calls ?? []).map((call) => ({
        type: "tool_call" as const,
        id: call.id,
        name: call.function.name,
        args: JSON.parse(call.function.arguments) as Record<string, unknown>,
      }));
      return new AIMessage({ id, content: text, tool_calls: calls });
    }
  }
}
