import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { dump } from "js-yaml";
import type { PartArgs } from "./container";

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

/** The files that {@link installFiles} installs, and their volume. */
interface Installation extends Pick<PartArgs, "host" | "image"> {
  /** The container that uses the volume. */
  container: docker.Container;
  /** Name of the volume. */
  volume: string;
  /** Further variables of the step. */
  environment?: Record<string, string>;
  /** Files with secrets, by name. */
  secrets?: Record<string, string>;
}

/** The step that installs files in a volume, by a container of an image that the stack uses. */
export const installFiles = (
  parent: pulumi.Resource,
  name: string,
  { host, image, container, volume, environment, secrets }: Installation,
  step: Step = "installFiles",
): command.local.Command =>
  deployStep(
    name,
    step,
    {
      environment: { DOCKER_HOST: host.address, VOLUME: volume, IMAGE: image, ...environment },
      ...(secrets && { stdin: pulumi.secret(JSON.stringify(secrets)) }),
      // A new volume comes with a new container, since Docker removes a volume only after the containers that use it.
      triggers: [container.id],
    },
    { parent, ...(secrets && { additionalSecretOutputs: ["stdin"] }) },
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
