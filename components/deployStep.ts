import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

/** The programs of commands/ that an update runs. */
export type Step = "installExporter" | "installFiles" | "loadConfig" | "probe";

/** A command that runs a program of commands/ on this machine and shows its progress. */
export const deployStep = (
  name: string,
  step: Step,
  args: Omit<command.local.CommandArgs, "create" | "logging">,
  opts: pulumi.CustomResourceOptions,
): command.local.Command =>
  new command.local.Command(
    name,
    { create: `node commands/start.cjs ${step}`, logging: "stderr", ...args },
    opts,
  );
