import { Server, status, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import type { ConfigureRequest, ConfigureResponse } from "@pulumi/pulumi/proto/provider_pb";
import { unwrapped, type Values } from "./values";

/** The provider's configuration, from the stack or from a provider that the program declares; `docker:host` is `host`. */
export const configuration: Values = {};

/**
 * Why a configuration is refused: it has a key that is not implemented. Undefined when it is fine. Keys that start with two
 * underscores are the official plugin's own, which it leaves in the state.
 */
export function strange(keys: string[], implemented: readonly string[]): string | undefined {
  const names = keys
    .filter((key) => !key.startsWith("__") && !["version", ...implemented].includes(key))
    .map((key) => `"${key}"`);
  return names.length === 0
    ? undefined
    : `the airgap plugin does not implement the configuration ${names.join(", ")}; ` +
        "use the official plugin, or add it in airgap/plugins";
}

/**
 * Takes the configuration, or refuses it by name. The SDK's server answers the engine's `Configure` without a look at it,
 * and lets nobody in; so its answer is taken over where it is handed to gRPC.
 */
export function takeConfiguration(implemented: readonly string[]): void {
  type Configure = (
    call: ServerUnaryCall<ConfigureRequest, ConfigureResponse>,
    callback: sendUnaryData<ConfigureResponse>,
  ) => void;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its server below
  const addService = Server.prototype.addService;
  Server.prototype.addService = function (
    service: ServiceDefinition,
    provider: UntypedServiceImplementation,
  ) {
    const accept = provider["configure"] as Configure;
    const configure: Configure = (call, callback) => {
      Object.assign(configuration, unwrapped(call.request.getArgs()?.toJavaScript() ?? {}));
      const details = strange(Object.keys(configuration), implemented);
      if (details) callback({ code: status.INVALID_ARGUMENT, details });
      else accept.call(provider, call, callback);
    };
    addService.call(this, service, Object.assign(provider, { configure }));
  };
}
