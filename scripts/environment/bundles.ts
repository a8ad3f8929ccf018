import path from "node:path";
import { build, type BuildOptions } from "esbuild";
import { sourceHash } from "../../airgap/plugins/build";
import { cached } from "../../airgap/toolchain/cached";
import { PROGRAMS } from "../../components/program";
import { say } from "./say";

const PROJECT = path.join(__dirname, "../..");
/** The folder of the policy pack, for `--policy-pack` and, on stacks of other projects, for the PATH. */
export const POLICY_PACK = path.join(PROJECT, "policy");

/**
 * The Pulumi program, which program.cjs runs, and those of probes/, which start.cjs there runs, each as one file of a folder.
 * The SDK is the one that Pulumi's language host has loaded.
 */
export const programBundles = (): Promise<string> =>
  bundle(
    "program",
    { program: "index.ts", ...Object.fromEntries(PROGRAMS.map((name) => [name, `probes/${name}.ts`])) },
    ["index.ts", "settings.ts", "components", "exporter", "gateway", "probes", "prometheus"],
    { external: ["@pulumi/pulumi", "esbuild"] },
  );

/** The policy pack as one file. */
export const policyBundle = async (): Promise<string> => {
  const folder = await bundle("policy", { policy: "policy/index.ts" }, ["policy"], {
    minify: true,
    plugins: [
      {
        name: "only what the pack uses of @pulumi/pulumi",
        setup: (build) => {
          build.onResolve({ filter: /^@pulumi\/pulumi$/ }, () => ({
            path: path.join(POLICY_PACK, "pulumi.ts"),
          }));
        },
      },
    ],
  });
  return path.join(folder, "policy.cjs");
};

/**
 * A folder with programs as one file each, which start much faster than their sources; made unless the cache has that of
 * the present ones.
 *
 * @param programs the source of each, by the name of its file
 * @param sources the files and folders that it is made of, beside the locked packages
 */
async function bundle(
  name: string,
  programs: Record<string, string>,
  sources: string[],
  options: BuildOptions,
): Promise<string> {
  const absolute = sources.map((source) => path.join(PROJECT, source));
  return cached(`${name}-${await sourceHash(...absolute, __filename)}`, say, async (making) => {
    await build({
      absWorkingDir: PROJECT,
      entryPoints: programs,
      outdir: making,
      outExtension: { ".js": ".cjs" },
      bundle: true,
      platform: "node",
      target: "node20",
      logLevel: "error",
      ...options,
    });
  });
}
