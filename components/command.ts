import type { local } from "@pulumi/command";
import type { Input } from "@pulumi/pulumi";

/** The programs of commands/ that an update runs. */
export const PROGRAMS = ["installExporter", "installFiles", "loadConfig", "probe"] as const;

/** The inputs of a command that runs a program of commands/, with its progress shown while it runs. */
export function program(
  name: (typeof PROGRAMS)[number],
  environment: Record<string, Input<string>>,
): Pick<local.CommandArgs, "create" | "environment" | "logging"> {
  return { create: `node commands/start.cjs ${name}`, environment, logging: "stderr" };
}
