/** `waystone health`: whether the store can be reached and what a look at it says. */
import { styleText } from "node:util";
import type { HealthCheck, HealthReport } from "../../contract/storage-backend.js";
import { EXIT } from "../exit-codes.js";
import type { Invocation } from "../invocation.js";
import { escapeLine } from "../output/escape.js";
import { jsonText } from "../output/json.js";
import { tableText } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { renderText, textLine } from "../output/text.js";
import { withStore } from "../store.js";

const COLUMNS: readonly Column<HealthCheck>[] = [
  { title: "CHECK", value: (check) => check.name, keep: 9 },
  { title: "STATUS", value: (check) => check.status, keep: 10 },
  { title: "MESSAGE", value: (check) => check.message, keep: 8 },
];

/** @returns 7 for an unhealthy store; a degraded one works and is no failure */
export async function health(invocation: Invocation): Promise<number> {
  const report = await withStore(invocation, (storage) => storage.healthCheck({ signal: invocation.signal }), {
    initialize: false,
  });
  await invocation.print(await healthText(report, invocation));
  for (const check of report.checks) {
    if (check.status === "warning" && invocation.form !== "table")
      invocation.note(`warning: ${check.name}: ${check.message}`);
  }
  return report.status === "unhealthy" ? EXIT.unreachable : EXIT.ok;
}

async function healthText(report: HealthReport, { form, style }: Invocation): Promise<string> {
  const { status, backend, tenant, durability, latencyMs, checks } = report;
  switch (form) {
    case "json":
      return jsonText(report);
    case "text":
      return textLine(["status", status, durability]) + renderText(COLUMNS, checks);
    case "table": {
      const state = style.color ? styleText(COLORS[status], status, { validateStream: false }) : status;
      const rest = `${backend}, tenant ${tenant}, durability ${durability}, ${Math.round(latencyMs)} ms`;
      return `${state} · ${escapeLine(rest)}\n${checks.length === 0 ? "" : `\n${await tableText(COLUMNS, checks, style)}`}`;
    }
  }
}

const COLORS = { healthy: "green", degraded: "yellow", unhealthy: "red" } as const;
