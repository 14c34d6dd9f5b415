// Tool calls and results are found in the shapes that the common libraries store.
import { describe, expect, it } from "vitest";
import { type ToolMessage, toolReferences } from "../../src/engine/index.js";

const message = (content: ToolMessage["content"], metadata: ToolMessage["metadata"] = {}): ToolMessage => ({
  role: "assistant",
  content,
  metadata,
});

describe("tool references", () => {
  it.each<[string, ToolMessage, string[]]>([
    ["a text", message("call me tool_call_id"), []],
    ["AI SDK parts", message([{ type: "tool-call", toolCallId: "a", toolName: "t", input: {} }]), ["call a"]],
    ["AI SDK results", message([{ type: "tool-result", toolCallId: "a", output: {} }]), ["result a"]],
    ["AI SDK errors", message([{ type: "tool-error", toolCallId: "a", error: "e" }]), ["result a"]],
    ["Anthropic parts", message([{ type: "tool_use", id: "a", name: "t", input: {} }]), ["call a"]],
    ["Anthropic results", message([{ type: "tool_result", tool_use_id: "a", content: "r" }]), ["result a"]],
    ["Responses parts", message([{ type: "function_call", id: "fc_1", call_id: "a" }]), ["call a"]],
    ["Responses results", message([{ type: "function_call_output", call_id: "a", output: "" }]), ["result a"]],
    ["chat completion calls", message("", { tool_calls: [{ id: "a" }, { id: "b" }] }), ["call a", "call b"]],
    ["chat completion results", message("r", { tool_call_id: "a" }), ["result a"]],
    ["camel case metadata", message("r", { toolCallId: "a", toolCalls: [{ id: "b" }] }), ["result a", "call b"]],
    [
      "several parts, in their order",
      message([
        { type: "text", text: "x" },
        { type: "tool_result", tool_use_id: "a" },
        { type: "tool_use", id: "b" },
      ]),
      ["result a", "call b"],
    ],
    [
      "an id that is no text",
      message([{ type: "tool-call", toolCallId: 7 }], { tool_calls: [null, "x", { id: "" }] }),
      [],
    ],
    ["calls that are no list", message("", { tool_calls: { id: "a" } }), []],
  ])("in %s", (_name, given, expected) => {
    expect(toolReferences(given).map(({ kind, id }) => `${kind} ${id}`)).toEqual(expected);
  });
});
