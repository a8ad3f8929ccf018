import { credentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

let engine: EngineClient | undefined;

/**
 * Shows a line at a resource while it is worked on. The engine's address is the plugin's first argument that is no flag.
 *
 * @returns when the engine has it; an engine that does not answer is not waited for
 */
export function logStatus(message: string, urn: string): Promise<void> {
  const address = process.argv.slice(2).find((argument) => /^[^-].*:\d+$/.test(argument));
  if (!address || !urn) return Promise.resolve();
  const client = (engine ??= new EngineClient(address, credentials.createInsecure()));
  const request = new LogRequest();
  request.setSeverity(LogSeverity.INFO);
  request.setMessage(message);
  request.setUrn(urn);
  request.setEphemeral(true);
  return new Promise((resolve) => {
    client.log(request, () => {
      resolve();
    });
  });
}
