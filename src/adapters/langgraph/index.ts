/** `waystone/langgraph`: the LangGraph checkpointer over any storage. */
import "../../require-node.js";

export { decodeJsonPlus } from "./json-plus.js";
export type { RunDeletion } from "./run-deletion.js";
export { WaystoneSaver } from "./saver.js";
export type { Retention, WaystoneSaverOptions } from "./saver-options.js";
export type { ClassCodec } from "./value-codec.js";
