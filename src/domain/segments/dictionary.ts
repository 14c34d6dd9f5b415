/**
 * Texts that states of agents often hold, the commonest last, as deflate wants them: the keys of checkpoints and messages. What was
 * compressed with it is read with it: a change needs a new form of blocks.
 */
import { Buffer } from "node:buffer";

export const DICTIONARY: Uint8Array = Buffer.from(
  [
    '"system""user""assistant""tool""function""name""arguments""role""text""type""status""error""success""result""input""output"',
    '"prompt_tokens""completion_tokens""total_tokens""input_tokens""output_tokens""usage_metadata""finish_reason""stop""model_name"',
    '"response_metadata":{"additional_kwargs":{"tool_call_id":"","artifact":"tool_call_chunks":[],"invalid_tool_calls":[],',
    '"class":"SystemMessage","fields":{"class":"ToolMessage","fields":{"name":"tool_call_id":"call_","type":"tool_call"',
    '{"~waystone":"message","class":"AIMessage","fields":{"id":"","content":"","tool_calls":[{"name":"","args":{"',
    '{"~waystone":"message","class":"HumanMessage","fields":{"id":"","content":"run-',
    '"thread_id":"","run_id":"","user_id":"","session_id":"","assistant_id":"graph_id":"langgraph_',
    '"source":"update","source":"fork","source":"input","source":"loop","step":,"parents":{},"writes":null,',
    '},"pending_sends":[],"updated_channels":["messages"],"counters_since_delta_snapshot":{',
    '"branch:to:tools":,"branch:to:agent":,"branch:to:model":,"__pregel_tasks":[],"__end__":{"__interrupt__":{"__input__":{},',
    '{"v":1,"checkpoint":{"v":4,"id":"1f0","ts":"2026-01-01T00:00:00.000Z","channel_versions":{"__start__":,"messages":,',
    '"versions_seen":{"__input__":{},"__start__":{"__start__":},"model":{"branch:to:model":}},"channel_values":{"messages":[',
    ']}},"metadata":{"source":"loop","step":1,"parents":{}}}',
  ].join(""),
);
