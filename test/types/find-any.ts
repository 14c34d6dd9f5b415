// Finds `any` in a type, as the paths at which it stands.

type IsAny<T> = 0 extends 1 & T ? true : false;

/** Types that are not ours to look into. */
type Foreign =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | AbortSignal
  | URLSearchParams
  | Uint8Array;

/**
 * Paths of every `any` in a type: through parameters, results, properties, elements and what promises and iterables give.
 * `never` means that there is none within `Depth` steps; the types of this package repeat themselves before that.
 */
export type FindAny<T, Path extends string = "", Depth extends readonly unknown[] = []> =
  IsAny<T> extends true
    ? Path
    : Depth["length"] extends 7
      ? never
      : unknown extends T
        ? never
        : T extends Foreign
          ? never
          : T extends Promise<infer V> | AsyncIterable<infer V> | Iterable<infer V>
            ? FindAny<V, `${Path}<>`, [...Depth, 1]>
            : T extends (...args: infer Args) => infer Result
              ? FindAny<Args, `${Path}()`, [...Depth, 1]> | FindAny<Result, `${Path}=>`, [...Depth, 1]>
              : T extends abstract new (
                    ...args: infer Args
                  ) => infer Instance
                ? FindAny<Args, `${Path}new()`, [...Depth, 1]> | FindAny<Instance, `${Path}new`, [...Depth, 1]>
                : T extends object
                  ? { [K in keyof T]-?: FindAny<T[K], `${Path}.${K & string}`, [...Depth, 1]> }[keyof T]
                  : never;
