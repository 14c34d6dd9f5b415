// Layers: what they are put around, and the orders that are refused with a reason.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import {
  intercept,
  LAYER_PLACES,
  type Layer,
  type LayerPlace,
  layer,
  layersOf,
  withLayers,
} from "../../src/layers/index.js";
import { ONCE, ORDER_RULES, orderProblem } from "../../src/layers/layer-order.js";
import { openStorage } from "../../src/open.js";

/** A layer that writes down which calls pass it. */
function passing(kind: string, place?: LayerPlace, seen: string[] = []): Layer {
  return layer({ kind, place }, (backend) =>
    intercept(backend, (call, next) => {
      seen.push(`${kind} ${call.operation}`);
      return next();
    }),
  );
}

/** The places with rules, in the one order that all the rules allow. */
const IN_ORDER: readonly LayerPlace[] = LAYER_PLACES.slice(3);

describe("withLayers", () => {
  it("puts the first layer outermost", async () => {
    const seen: string[] = [];
    const layers = [
      passing("logging", undefined, seen),
      passing("retry", undefined, seen),
      passing("timeout", undefined, seen),
    ];
    await using storage = withLayers(memoryStorage(), layers);
    await storage.getSession("s");
    expect(seen).toEqual(["logging getSession", "retry getSession", "timeout getSession"]);
    expect(layersOf(storage)).toEqual(layers);
    expect(layersOf(memoryStorage())).toEqual([]);
  });

  it("refuses a wrong order with the reason, and builds nothing then", () => {
    let built = 0;
    const counting = layer({ kind: "retry" }, (backend) => {
      built += 1;
      return intercept(backend, (_call, next) => next());
    });
    expect(() => withLayers(memoryStorage(), [counting, passing("cache")])).toThrow(
      "layers: cache must stand outside of retry: else hits would count as load",
    );
    expect(built).toBe(0);
  });

  it("refuses a wrong order also when layers are put on one by one", () => {
    const inner = withLayers(memoryStorage(), [passing("cache")]);
    expect(() => passing("failover")(inner)).toThrow("cache must stand outside of failover");
    expect(() => withLayers(passing("logging")(inner), [passing("retry")])).toThrow(
      "cache must stand outside of retry",
    );
    const encrypted = passing("encryption")(memoryStorage());
    expect(() => passing("cache")(encrypted)).toThrow("encryption must stand outside of cache");
    const retrying = passing("retry")(memoryStorage());
    expect(() => passing("batch")(retrying)).toThrow("retry must stand outside of batch");
  });

  it("refuses what is no layer", () => {
    for (const wrong of [undefined, {}, () => memoryStorage(), [null], [{}], ["retry"], [() => memoryStorage()]]) {
      expect(() => withLayers(memoryStorage(), wrong as never), String(wrong)).toThrow(/^layers/);
    }
  });

  it("takes layers of others at the place that they name", () => {
    const audit = passing("audit", "logging");
    const ownRetry = passing("my-retry", "retry");
    expect(layersOf(withLayers(memoryStorage(), [audit, ownRetry, audit])).map(({ kind }) => kind)).toEqual([
      "audit",
      "my-retry",
      "audit",
    ]);
    expect(() => withLayers(memoryStorage(), [ownRetry, passing("retry")])).toThrow("a stack has one retry layer");
    expect(() => passing("audit")).toThrow("place must be one of monitor,");
    expect(() => passing("")).toThrow("kind");
  });
});

describe("openStorage", () => {
  it("opens with layers, which see that it is opened", async () => {
    const seen: string[] = [];
    await using storage = await openStorage("memory:", { env: {}, layers: [passing("tracing", undefined, seen)] });
    expect(layersOf(storage).map(({ kind }) => kind)).toEqual(["tracing"]);
    expect(seen).toEqual(["tracing initialize"]);
  });

  it("refuses a wrong order before it opens anything", async () => {
    const layers = [passing("timeout"), passing("retry")];
    await expect(openStorage("sqlite:/proc/never/opened.db", { env: {}, layers })).rejects.toThrow(
      "retry must stand outside of timeout",
    );
    await expect(openStorage("memory:", { env: {}, layers: "retry" as never })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});

describe("the rules of order", () => {
  it("allow one order of all layers, with those that look on anywhere", () => {
    expect(orderProblem(IN_ORDER)).toBeUndefined();
    const between = IN_ORDER.flatMap((place) => [place, "monitor", "logging", "tracing"] as const);
    expect(orderProblem(["tracing", "tracing", ...between])).toBeUndefined();
  });

  it("agree with that order, each with a reason of its own", () => {
    for (const { outer, inner } of ORDER_RULES) {
      expect(IN_ORDER.indexOf(outer), `${outer} > ${inner}`).toBeLessThan(IN_ORDER.indexOf(inner));
      expect(orderProblem([inner, outer])).toContain(`${outer} must stand outside of ${inner}: else `);
      expect(orderProblem([inner, "logging", outer])).toContain(`${outer} must stand outside of ${inner}`);
    }
    expect(new Set(ORDER_RULES.map(({ because }) => because)).size).toBe(ORDER_RULES.length);
  });

  it("let a layer with rules stand once", () => {
    expect([...ONCE.keys()].sort()).toEqual([...IN_ORDER].sort());
    for (const place of IN_ORDER) expect(orderProblem([place, place])).toContain(`a stack has one ${place} layer: `);
  });
});
