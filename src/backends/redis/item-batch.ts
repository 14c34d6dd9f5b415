/** A batch of item steps that the server alone cannot decide: read, run over what was read, and stored if that is still so. */
import { UnsupportedError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult } from "../../domain/driver/items.js";
import type { StoredItem } from "../../domain/driver/stored.js";
import { UpdatedValues, updateStored } from "../../domain/item-changes.js";
import { isDeletable, isItemExpired, itemOrder, putStored, refreshStored } from "../../domain/items.js";
import { startsWithLabels } from "../../domain/namespaces.js";
import type { Connection } from "./connection/connection.js";
import { itemHeader, itemPlace, parseItem, parseItemPlace } from "./item-rows.js";
import {
  countItems,
  itemsBelow,
  listNamespaces,
  Namespaces,
  searchAmong,
  searchItems,
  withValue,
} from "./item-search.js";
import { storeTexts } from "./long-texts.js";
import { COMMIT_ITEMS, READ_ITEMS } from "./lua/items.js";

const IN_ORDER = itemOrder({ orderBy: "key", direction: "asc" });

export class ItemBatch {
  readonly #connection: Connection;
  readonly #call: Call;
  readonly #steps: readonly ItemStep[];
  readonly #items = new Map<string, StoredItem | undefined>();
  readonly #revisions = new Map<string, string>();
  readonly #changed = new Set<string>();
  #now = 0;
  #revision = "0";
  #searched = false;

  constructor(connection: Connection, call: Call, steps: readonly ItemStep[]) {
    this.#connection = connection;
    this.#call = call;
    this.#steps = steps;
  }

  async run(): Promise<ItemStepResult[]> {
    await this.#read();
    const results: ItemStepResult[] = [];
    const updated = new UpdatedValues();
    for (const step of this.#steps) {
      const result = await this.#runStep(step);
      if (result.kind === "update") updated.add(result.item);
      results.push(result);
    }
    return results;
  }

  /** Stores what has changed; `false` if somebody else has come between. */
  async commit(): Promise<boolean> {
    if (this.#changed.size === 0) return true;
    const changed = [...this.#changed].map((place) => ({ place, item: this.#items.get(place) }));
    const values = changed.map(({ item }) => item?.value ?? "");
    const [done] = await storeTexts(this.#connection, this.#call, values, (texts) => {
      const changes = changed.flatMap(({ place, item }, i) =>
        item === undefined ? [place, "", "", ""] : [place, itemHeader(item), texts[i] as string, item.expiresAt ?? "-"],
      );
      return this.#connection.run<[number | string]>(this.#call, COMMIT_ITEMS, [
        this.#searched ? this.#revision : "",
        this.#revisions.size,
        ...[...this.#revisions].flat(),
        ...changes,
      ]);
    });
    return done === 1;
  }

  async #read(): Promise<void> {
    const places = new Set(this.#steps.flatMap((step) => ("key" in step ? [itemPlace(step)] : [])));
    const [now, revision, ...texts] = await this.#connection.run<(string | null)[]>(this.#call, READ_ITEMS, [
      ...places,
    ]);
    this.#now = Number(now);
    this.#revision = revision ?? "0";
    for (const [i, place] of [...places].entries()) {
      const text = texts[i];
      const row = text == null ? undefined : parseItem(parseItemPlace(place), text);
      this.#revisions.set(place, row?.revision ?? "-");
      this.#items.set(place, row && (await withValue(this.#connection, this.#call, row.item)));
    }
  }

  async #runStep(step: ItemStep): Promise<ItemStepResult> {
    switch (step.kind) {
      case "put":
      case "update": {
        const stored = this.#items.get(itemPlace(step));
        const item = step.kind === "put" ? putStored(stored, step, this.#now) : updateStored(stored, step, this.#now);
        this.#set(item);
        return { kind: step.kind, item };
      }
      case "get": {
        const stored = this.#items.get(itemPlace(step));
        if (stored === undefined || isItemExpired(stored, this.#now)) return { kind: "get", item: undefined };
        const item = step.refreshTtl ? refreshStored(stored, this.#now) : stored;
        if (item !== stored) this.#set(item);
        return { kind: "get", item };
      }
      case "delete": {
        const place = itemPlace(step);
        const deleted = isDeletable(this.#items.get(place), step.expectedVersion, this.#now);
        if (deleted) {
          this.#items.set(place, undefined);
          this.#changed.add(place);
        }
        return { kind: "delete", deleted };
      }
      case "nearest":
        throw new UnsupportedError("the Redis backend does not compare vectors");
      default:
        return this.#search(step);
    }
  }

  async #search(
    step: Extract<ItemStep, { readonly kind: "search" | "count" | "namespaces" }>,
  ): Promise<ItemStepResult> {
    this.#searched = true;
    const [connection, call] = [this.#connection, this.#call];
    if (this.#changed.size === 0) {
      if (step.kind === "search") return { kind: "search", rows: await searchItems(connection, call, step.listing) };
      if (step.kind === "count") return { kind: "count", count: await countItems(connection, call, step.count) };
      return { kind: "namespaces", rows: await listNamespaces(connection, call, step.listing) };
    }
    const { prefix } = step.kind === "count" ? step.count : step.listing;
    const items = await this.#itemsBelow(prefix);
    if (step.kind === "search") return { kind: "search", rows: searchAmong(items, step.listing) };
    if (step.kind === "count") {
      const { filter } = step.count;
      const matching = items.filter(({ value }) => filter === null || filter.matchesText(value));
      return { kind: "count", count: matching.length };
    }
    const found = new Namespaces(step.listing);
    items.sort(IN_ORDER).every(({ namespace }) => found.add(namespace));
    return { kind: "namespaces", rows: found.page };
  }

  /** What is stored, with what the batch has made of it. */
  async #itemsBelow(prefix: readonly string[]): Promise<StoredItem[]> {
    const stored = await itemsBelow(this.#connection, this.#call, prefix);
    const others = stored.filter((item) => !this.#changed.has(itemPlace(item)));
    const own = [...this.#changed].flatMap((place) => this.#items.get(place) ?? []);
    const shown = own.filter((item) => startsWithLabels(item.namespace, prefix) && !isItemExpired(item, this.#now));
    return [...others, ...shown];
  }

  #set(item: StoredItem): void {
    const place = itemPlace(item);
    this.#items.set(place, item);
    this.#changed.add(place);
  }
}
