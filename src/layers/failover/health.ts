/** The health of two stores as that of one. */
import type { CallOptions } from "../../contract/call.js";
import type { HealthCheck, HealthReport, StorageBackend } from "../../contract/storage-backend.js";
import type { Pair } from "./pair.js";
import type { Both } from "./side.js";

/** `unhealthy` if the store in charge is; `degraded` if anything is not as it should be. */
export async function healthOf(
  pair: Pair,
  { primary, fallback }: Both<StorageBackend>,
  options: CallOptions | undefined,
): Promise<HealthReport> {
  const [ofPrimary, ofFallback] = await Promise.all([primary.healthCheck(options), fallback.healthCheck(options)]);
  const serving = pair.serving === "primary" ? ofPrimary : ofFallback;
  const other = pair.serving === "primary" ? ofFallback : ofPrimary;
  const checks: HealthCheck[] = [
    ...ofPrimary.checks.map((check) => ({ ...check, name: `primary: ${check.name}` })),
    ...ofFallback.checks.map((check) => ({ ...check, name: `fallback: ${check.name}` })),
    ...failoverChecks(pair),
  ];
  const isFine = other.status === "healthy" && checks.every(({ status }) => status === "ok");
  return {
    status: serving.status === "healthy" && !isFine ? "degraded" : serving.status,
    backend: primary.kind,
    tenant: primary.tenantName,
    checkedAt: ofPrimary.checkedAt,
    latencyMs: Math.max(ofPrimary.latencyMs, ofFallback.latencyMs),
    durability: serving.durability,
    checks,
  };
}

function failoverChecks(pair: Pair): readonly HealthCheck[] {
  const { state, epoch, diverged } = pair;
  const lag = { primary: pair.marks.behind("primary").length, fallback: pair.marks.behind("fallback").length };
  const check = (name: string, isOk: boolean, message: string): HealthCheck => ({
    name,
    status: isOk ? "ok" : "warning",
    message,
  });
  return [
    check("failover", state === "primary", `${state}: the ${pair.serving} is in charge, epoch ${epoch}`),
    check(
      "lag",
      lag.primary === 0 && !pair.isFallbackAway,
      `the primary is behind in ${lag.primary} units, the fallback in ${lag.fallback}${pair.isFallbackAway ? ", and is away" : ""}`,
    ),
    check("divergence", diverged === 0, diverged === 0 ? "none" : `${diverged} units cannot be brought over`),
  ];
}
