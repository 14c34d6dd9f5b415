// LangGraph's own store in memory as a reference, with what is plainly wrong in it put right.
import {
  type GetOperation,
  InMemoryStore,
  type Item,
  type ListNamespacesOperation,
  type Operation,
  type OperationResults,
  type SearchOperation,
} from "@langchain/langgraph-checkpoint";

export type Read = GetOperation | SearchOperation | ListNamespacesOperation;

/**
 * `InMemoryStore` 1.2.2 with three repairs, each shown by a test of its own beside this file:
 *
 * - values are copies, and a batch's reads show what was there before it, also of an item that the batch changes;
 * - a namespace whose last item was deleted is no longer listed.
 */
export class RepairedInMemoryStore extends InMemoryStore {
  override async batch<Op extends readonly Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const copies: Operation[] = structuredClone([...operations]);
    const reads = copies.map((operation) => ("value" in operation ? undefined : (operation as Read)));
    const found = structuredClone(await super.batch(reads.filter((read) => read !== undefined)));
    await super.batch(copies.filter((operation) => "value" in operation));
    for (const [namespace, items] of this.#items) if (items.size === 0) this.#items.delete(namespace);
    return reads.map((read) => (read === undefined ? null : found.shift())) as OperationResults<Op>;
  }

  get #items(): Map<string, Map<string, Item>> {
    return (this as unknown as { data: Map<string, Map<string, Item>> }).data;
  }
}
