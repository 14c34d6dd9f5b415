/**
 * Copies of objects of many keys. A spread takes next to nothing for each key of a shape that V8 knows, but 1 to 2 microseconds where hundreds of keys are an object's
 * own, as it makes a shape of them. A table takes 0.1 to 0.2, up to some thousands of keys.
 */

/** From so many keys on a table is not slower. */
const WIDE = 32;

/** Whether an object has many keys, which it does not seem to share with another one. */
export function isWideAlone(keys: readonly string[], others: readonly string[]): boolean {
  if (keys.length < WIDE) return false;
  return keys.length !== others.length || keys[0] !== others[0] || keys.at(-1) !== others.at(-1);
}

/**
 * All enumerable own properties, as data properties, `__proto__` too. Without a prototype V8 keeps an object as a hash table from the start.
 * @param object without enumerable properties to inherit
 */
export function tableOf(object: object): Record<string, unknown> {
  const table: Record<string | symbol, unknown> = Object.create(null);
  for (const key in object) table[key] = object[key as keyof typeof object];
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    if (Object.prototype.propertyIsEnumerable.call(object, symbol))
      table[symbol] = object[symbol as keyof typeof object];
  }
  return table;
}
