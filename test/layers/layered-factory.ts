// Stores with layers around them, for the conformance kit and the random programs.
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";

/** The stores of a factory, each handle with something around it. Values are replaced below all layers. */
export function layered(factory: StorageFactory, around: (backend: StorageBackend) => StorageBackend): StorageFactory {
  return {
    supports: { ...factory.supports, replacements: false, changeFeed: false },
    create: async () => {
      const harness = await factory.create();
      return { open: async (options) => around(await harness.open(options)), destroy: () => harness.destroy() };
    },
  };
}
