import type { local } from "@pulumi/command";

/** The inputs of a command that runs a program of probes/, with its progress shown while it runs. */
export function program(
  name: "installExporter" | "loadConfig" | "probe",
  environment: Record<string, string>,
): Pick<local.CommandArgs, "create" | "environment" | "logging"> {
  return { create: `node --import tsx probes/${name}.ts`, environment, logging: "stderr" };
}
