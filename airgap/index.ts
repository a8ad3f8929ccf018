/** What `cli/` asks of this folder on a host that cannot download: programs for the PATH, plugins of Pulumi, and images. */
export { buildImage, canBuild, wasBuilt } from "./images";
export { buildProviders } from "./toolchain/providers";
export { buildPulumi, builtPulumi, PULUMI_VERSION } from "./toolchain/pulumi";
