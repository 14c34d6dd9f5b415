/** What is brought from one store to the other as a whole, and which of it a call is about. */

/**
 * - `session`: with its messages, task context and linked threads.
 * - `context`: a task context, which several sessions may share; it is copied with the session that is named.
 * - `thread`, `item`: themselves.
 * - `items`: all items below a prefix.
 * - `tenant`: everything.
 */
export type Unit =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "context"; readonly id: string; readonly sessionId: string }
  | { readonly kind: "thread"; readonly id: string }
  | { readonly kind: "item"; readonly namespace: readonly string[]; readonly key: string }
  | { readonly kind: "items"; readonly prefix: readonly string[] }
  | { readonly kind: "tenant" };

export const WHOLE_TENANT: Unit = { kind: "tenant" };

/** Names a unit of a tenant; equal ones have equal names. */
export function unitName(tenant: string, unit: Unit): string {
  switch (unit.kind) {
    case "session":
    case "thread":
      return JSON.stringify([tenant, unit.kind, unit.id]);
    case "context":
      return JSON.stringify([tenant, unit.kind, unit.id, unit.sessionId]);
    case "item":
      return JSON.stringify([tenant, unit.kind, unit.namespace, unit.key]);
    case "items":
      return JSON.stringify([tenant, unit.kind, unit.prefix]);
    case "tenant":
      return JSON.stringify([tenant, unit.kind]);
  }
}

/** The unit that a name of `unitName` stands for. */
export function namedUnit(name: string): { readonly tenant: string; readonly unit: Unit } {
  const [tenant, kind, what, key] = JSON.parse(name) as [string, Unit["kind"], unknown, string];
  switch (kind) {
    case "session":
    case "thread":
      return { tenant, unit: { kind, id: what as string } };
    case "context":
      return { tenant, unit: { kind, id: what as string, sessionId: key } };
    case "item":
      return { tenant, unit: { kind, namespace: what as string[], key } };
    case "items":
      return { tenant, unit: { kind, prefix: what as string[] } };
    case "tenant":
      return { tenant, unit: WHOLE_TENANT };
  }
}

/** Whether a change of one may be a change of what a call about the other sees. */
export function touches(changed: Unit, asked: Unit): boolean {
  if (changed.kind === "tenant" || asked.kind === "tenant") return true;
  switch (changed.kind) {
    case "session":
    case "thread":
    case "context":
      return asked.kind === changed.kind && asked.id === changed.id;
    case "item":
      if (asked.kind === "items") return isPrefix(asked.prefix, changed.namespace);
      return asked.kind === "item" && asked.key === changed.key && isSame(asked.namespace, changed.namespace);
    case "items":
      if (asked.kind === "item") return isPrefix(changed.prefix, asked.namespace);
      return (
        asked.kind === "items" && (isPrefix(changed.prefix, asked.prefix) || isPrefix(asked.prefix, changed.prefix))
      );
  }
}

function isPrefix(prefix: readonly string[], labels: readonly string[]): boolean {
  return prefix.every((label, i) => labels[i] === label);
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && isPrefix(some, others);
}
