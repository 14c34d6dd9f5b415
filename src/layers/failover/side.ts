/** The two stores of a failover. */

export type Side = "primary" | "fallback";

export function otherSide(side: Side): Side {
  return side === "primary" ? "fallback" : "primary";
}

/** Something that each of them has. */
export interface Both<T> {
  readonly primary: T;
  readonly fallback: T;
}
