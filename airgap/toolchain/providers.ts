import { buildSources } from "./goCommands";

/**
 * Builds the providers of airgap/providers.
 *
 * @returns the folder with `pulumi-resource-docker` and `pulumi-resource-command`; its name changes with their sources
 */
export const buildProviders = (): Promise<string> =>
  buildSources("airgap/providers", {
    name: "providers",
    packages: ["./pulumi-resource-docker", "./pulumi-resource-command"],
    // Without the Compose part of the Docker provider.
    tags: ["no_compose"],
    ldflags: "-s -w",
  });
