/**
 * Ids of messages that came without one. Finding a message by its id costs an index entry at a random place, the dearest part
 * of an append; an id that says its own `seq` is found without (C4).
 */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A UUID of version 8 (RFC 9562): 48 bits of `seq`, the rest from a random UUID. Any other id stays as it is. */
export function locatingId(seq: number, id: string): string {
  if (!UUID.test(id)) return id;
  const digits = seq.toString(16).padStart(12, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}-8${id.slice(15)}`;
}

/** Whether the message's id says its `seq`. */
export function isLocated({ messageId, seq }: { readonly messageId: string; readonly seq: number }): boolean {
  return locatedSeq(messageId) === seq;
}

/** The `seq` that an id says; `undefined` for an id of another form. Whether the message of that `seq` has the id is to be looked up. */
export function locatedSeq(id: string): number | undefined {
  return UUID.test(id) && id[14] === "8" ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
