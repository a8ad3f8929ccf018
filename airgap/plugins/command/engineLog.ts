import { credentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

let engine: EngineClient | undefined;

/** Shows a line at a resource while it is worked on; the engine's address is the plugin's first argument. */
export function logStatus(message: string, urn: string): void {
  const address = process.argv[2];
  if (!address || !urn) return;
  engine ??= new EngineClient(address, credentials.createInsecure());
  const request = new LogRequest();
  request.setSeverity(LogSeverity.INFO);
  request.setMessage(message);
  request.setUrn(urn);
  request.setEphemeral(true);
  engine.log(request, () => undefined);
}
