/** `waystone metrics`: the counts of the tenant. */
import type { Count, StorageMetrics } from "../../contract/storage-backend.js";
import type { Invocation } from "../invocation.js";
import { jsonText } from "../output/json.js";
import { tableText } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { renderText } from "../output/text.js";
import { count, size } from "../output/units.js";
import { withStore } from "../store.js";

interface Metric {
  readonly name: string;
  readonly count: Count;
}

const COLUMNS: readonly Column<Metric>[] = [
  { title: "METRIC", value: ({ name }) => name, keep: 9 },
  { title: "VALUE", value: (metric) => metric.count.value, shown: shownCount, align: "right", keep: 10 },
  { title: "PRECISION", value: (metric) => (metric.count.exact ? "exact" : "estimate"), keep: 2 },
];

export async function metrics(invocation: Invocation): Promise<void> {
  const found = await withStore(invocation, (storage) => storage.getMetrics({ signal: invocation.signal }));
  const rows = metricsOf(found);
  switch (invocation.form) {
    case "json":
      return invocation.print(jsonText(found));
    case "text":
      return invocation.print(renderText(COLUMNS, rows));
    case "table":
      await invocation.print(await tableText(COLUMNS.slice(0, 2), rows, invocation.style));
      if (rows.some((row) => !row.count.exact)) invocation.note("~ is an estimate");
  }
}

/** The counts, in the order in which the storage tells them. */
function metricsOf({ backend: _backend, tenant: _tenant, collectedAt: _at, ...counts }: StorageMetrics): Metric[] {
  return Object.entries(counts).map(([name, count]) => ({ name, count }));
}

function shownCount({ name, count: { value, exact } }: Metric): string {
  return `${exact ? "" : "~"}${name.endsWith("Bytes") ? size(value) : count(value)}`;
}
