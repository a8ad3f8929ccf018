import type { local } from "@pulumi/command";
import type { Input } from "@pulumi/pulumi";

/** The inputs of a command that runs a program of probes/, with its progress shown while it runs. */
export function program(
  name: "installExporter" | "installFiles" | "loadConfig" | "probe",
  environment: Record<string, Input<string>>,
): Pick<local.CommandArgs, "create" | "environment" | "logging"> {
  return { create: `node --require tsx/cjs probes/${name}.ts`, environment, logging: "stderr" };
}
