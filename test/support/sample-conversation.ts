// A short conversation with a tool call, in the form of the recorded ones.
export const SAMPLE_MESSAGES = [
  { role: "system", content: "Help." },
  { role: "user", content: "A train?" },
  {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", function: { name: "search", arguments: '{"to":"Lyon"}' } }],
  },
  { role: "tool", content: "17:04", tool_call_id: "c1", name: "search" },
  { role: "assistant", content: "At 17:04." },
  { role: "user", content: "Thanks." },
] as const;
