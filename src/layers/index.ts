/** `waystone/layers`: what stands between an application and its storage. `docs/layers.md` says which, and in which order. */
import "../require-node.js";

export { intercept } from "./intercept.js";
export { type Layer, type LayerDefinition, layer, layersOf, withLayers } from "./layer.js";
export type { Interceptor, LayerCall, Next } from "./layer-call.js";
export { LAYER_PLACES, type LayerPlace } from "./layer-order.js";
