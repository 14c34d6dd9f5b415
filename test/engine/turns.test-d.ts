// The result of a turn has the type of what its work returns.
import { describe, expectTypeOf, it } from "vitest";
import type { ContextEngine, SessionHandle, TurnOutcome } from "../../src/engine/index.js";

declare const engine: ContextEngine;
declare const session: SessionHandle;

describe("a turn", () => {
  it("gives back the work's type, awaited", () => {
    expectTypeOf(engine.turn("s", {}, () => 1)).resolves.toEqualTypeOf<TurnOutcome<number>>();
    expectTypeOf(session.turn({}, async () => ({ a: "b" }))).resolves.toEqualTypeOf<TurnOutcome<{ a: string }>>();
    expectTypeOf(session.turn({}, (turn) => turn.message("user", "x"))).resolves.toEqualTypeOf<TurnOutcome<void>>();
  });

  it("gives back something unknown when its work ran elsewhere", () => {
    expectTypeOf(session.recordTurn({ turnId: "t", durationSeconds: 1 })).resolves.toEqualTypeOf<
      TurnOutcome<unknown>
    >();
  });

  it("takes no field that it does not know", () => {
    // @ts-expect-error the field is `turnId`
    void engine.turn("s", { id: "t" }, () => 1);
    // @ts-expect-error a turn's checkpoint is stored by its id, not as a compare-and-set
    void engine.turn("s", {}, (turn) => turn.checkpoint(1, { expectedHead: null }));
  });
});
