/** What the layers take of cockatiel. The build puts its code here, so that nobody has to install it. */
export {
  BrokenCircuitError,
  CircuitState,
  ConstantBackoff,
  CountBreaker,
  circuitBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhenResult,
} from "cockatiel";
