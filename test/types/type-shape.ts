// Questions about types that the type tests ask more than once.

/** Whether two types are the same, modifiers included. */
type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Names of the properties that can be assigned to; `never` for a type that is readonly throughout. */
export type WritableKeys<T> = T extends unknown
  ? { [K in keyof T]-?: IsSame<{ [P in K]: T[P] }, { -readonly [P in K]: T[P] }> extends true ? K : never }[keyof T]
  : never;

/** Names of the optional properties; of each part of a union. */
type OptionalKeys<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T];

/** Names of the optional properties that may also be given as `undefined`. */
export type TakesUndefined<T> = T extends unknown
  ? { [K in OptionalKeys<T>]: { [P in K]: undefined } extends Pick<T, K> ? K : never }[OptionalKeys<T>]
  : never;

/** Names of the optional properties that refuse an explicit `undefined`. */
export type RefusesUndefined<T> = T extends unknown ? Exclude<OptionalKeys<T>, TakesUndefined<T>> : never;
