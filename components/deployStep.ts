import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { dump } from "js-yaml";

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

/**
 * The step that loads the configuration of a server: files by name, and files with secrets by their path in its configuration
 * folder. A preview does not show the text; index.ts logs the changed lines of Prometheus's.
 */
export function loadConfiguration(
  name: string,
  { files, secretFiles }: { files: Record<string, string>; secretFiles: Record<string, string> },
  args: Pick<command.local.CommandArgs, "environment" | "triggers">,
  opts: pulumi.CustomResourceOptions,
): command.local.Command {
  const hasSecrets = Object.keys(secretFiles).length > 0;
  const stdin = dump({ ...files, ...secretFiles }, { lineWidth: -1 });
  return deployStep(
    name,
    "loadConfig",
    { ...args, stdin: hasSecrets ? pulumi.secret(stdin) : stdin },
    { deleteBeforeReplace: true, ...opts, ...(hasSecrets && { additionalSecretOutputs: ["stdin"] }) },
  );
}
