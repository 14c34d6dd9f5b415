// The graph of every saver: what a first tutorial builds, with a model that answers from the conversation at no cost.
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import type { BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";
import { Conversation } from "./conversation.ts";

const SEED = 20_260_101;
const CONFIG = { configurable: { thread_id: "conversation" } };

/** A conversation on one saver, turn by turn. */
export interface GraphRun {
  /** Takes the next turn, as an application would: `invoke` with the new question alone. */
  turn(): Promise<void>;
  /** What `getState` says the messages are. */
  messages(): Promise<BaseMessage[]>;
}

export function startGraph(checkpointer: BaseCheckpointSaver): GraphRun {
  const conversation = new Conversation(SEED);
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("model", () => ({ messages: [new AIMessage(conversation.answer())] }))
    .addEdge(START, "model")
    .addEdge("model", END)
    .compile({ checkpointer });
  return {
    async turn() {
      await graph.invoke({ messages: [new HumanMessage(conversation.question())] }, CONFIG);
    },
    async messages() {
      return (await graph.getState(CONFIG)).values.messages;
    },
  };
}
