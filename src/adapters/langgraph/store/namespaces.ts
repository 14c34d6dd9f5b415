/** Namespaces as LangGraph 1.2 allows them; older ones of the same major version do not export their rule. */
import { InvalidNamespaceError } from "@langchain/langgraph-checkpoint";
import { InvalidArgumentError } from "../../../contract/errors.js";

/** Where a namespace stands: one to write to, one to look below, or one in a batch, where LangGraph allows its own root. */
export type NamespaceUse = "own" | "prefix" | "any";

/**
 * Labels are texts that are not empty, without `.`, `:` and NUL. Only a prefix may have none, and only `own` refuses the root `langgraph`.
 * @throws InvalidNamespaceError, InvalidArgumentError if it is no list
 */
export function checkNamespace(namespace: unknown, use: NamespaceUse): void {
  if (!Array.isArray(namespace)) throw new InvalidArgumentError("namespace must be an array of labels");
  if (namespace.length === 0 && use !== "prefix") throw new InvalidNamespaceError("Namespace cannot be empty.");
  for (const [i, label] of namespace.entries()) {
    if (typeof label !== "string") throw new InvalidNamespaceError(`Label ${i} of a namespace must be a string.`);
    if (label === "") throw new InvalidNamespaceError(`Label ${i} of a namespace cannot be empty.`);
    if (/[.:\0]/.test(label)) {
      throw new InvalidNamespaceError(`Label ${i} of a namespace cannot contain '.', ':' or NUL.`);
    }
  }
  if (use === "own" && namespace[0] === "langgraph") {
    throw new InvalidNamespaceError('The first label of a namespace cannot be "langgraph".');
  }
}
