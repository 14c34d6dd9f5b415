/** Rows of items. The place of one is a text whose order and prefixes are those of its labels and key (M1). */
import { CorruptionError } from "../../contract/errors.js";
import type { StoredItem } from "../../domain/driver/stored.js";

/** Where an item is. */
export interface ItemAddress {
  readonly namespace: readonly string[];
  readonly key: string;
}

/** Each label is ended by a zero byte, which no label holds; items of a namespace come before those of namespaces below it. */
export function itemPlace({ namespace, key }: ItemAddress): string {
  return `${startOf(namespace)}\0${key}`;
}

export function parseItemPlace(place: string): ItemAddress {
  const stop = place.indexOf("\0\0");
  return { namespace: place.slice(0, stop).split("\0"), key: place.slice(stop + 2) };
}

function startOf(labels: readonly string[]): string {
  return labels.map((label) => `${label}\0`).join("");
}

/** Bounds as ZRANGEBYLEX takes them, of all places in namespaces that begin with these labels. */
export function boundsOf(labels: readonly string[]): readonly [from: string, to: string] {
  if (labels.length === 0) return ["-", "+"];
  const start = startOf(labels);
  return [`[${start}`, `(${start.slice(0, -1)}\u0001`];
}

/** The first bound behind the items of a namespace; behind those of all below it too, if it is cut. */
export function behindNamespace(labels: readonly string[], isCut: boolean): string {
  return isCut ? `[${startOf(labels).slice(0, -1)}\u0001` : `[${startOf(labels)}\u0001`;
}

/** The first bound after a place, or the last one before it. */
export function beyond(address: ItemAddress): string {
  return `(${itemPlace(address)}`;
}

/** An item with the revision that its last change had. */
export interface ItemRow {
  readonly item: StoredItem;
  readonly revision: string;
}

const HEADER = /^(\d+) (-?\d+) (-?\d+) (\d+|-) (-?\d+|-) (\d+)$/;

/** @throws CorruptionError for what is no row */
export function parseItem(address: ItemAddress, text: string): ItemRow {
  const line = text.indexOf("\n");
  const [, version, createdAt, updatedAt, ttlMs, expiresAt, revision] = HEADER.exec(text.slice(0, line)) ?? [];
  if (revision === undefined) throw new CorruptionError("the row of an item is damaged");
  const item = {
    namespace: address.namespace,
    key: address.key,
    value: text.slice(line + 1),
    version: Number(version),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    ttlMs: ttlMs === "-" ? null : Number(ttlMs),
    expiresAt: expiresAt === "-" ? null : Number(expiresAt),
  };
  return { item, revision };
}

/** The first line of a row, to which the server adds the revision. */
export function itemHeader({ version, createdAt, updatedAt, ttlMs, expiresAt }: StoredItem): string {
  return `${version} ${createdAt} ${updatedAt} ${ttlMs ?? "-"} ${expiresAt ?? "-"}`;
}
