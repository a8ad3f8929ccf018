import path from "node:path";
import { build, type BuildOptions } from "esbuild";
import { sourceHash } from "../../airgap/plugins/build";
import { cached } from "../../airgap/toolchain/cached";
import { say } from "./say";

const PROJECT = path.join(__dirname, "../..");
/** The folder of the policy pack, for `--policy-pack` and, on stacks of other projects, for the PATH. */
export const POLICY_PACK = path.join(PROJECT, "policy");

/** The Pulumi program as one file, which program.cjs runs. The SDK is the one that Pulumi's language host has loaded. */
export const programBundle = (): Promise<string> =>
  bundle(
    "program",
    "index.ts",
    ["index.ts", "settings.ts", "components", "exporter", "gateway", "probes", "prometheus"],
    {
      external: ["@pulumi/pulumi", "esbuild"],
    },
  );

/** The policy pack as one file. */
export const policyBundle = (): Promise<string> =>
  bundle("policy", "policy/index.ts", ["policy"], {
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

/**
 * A program as one file, which starts much faster than its sources, made unless the cache has that of the present ones.
 *
 * @param sources the files and folders that it is made of, beside the locked packages
 */
async function bundle(
  name: string,
  entry: string,
  sources: string[],
  options: BuildOptions,
): Promise<string> {
  const absolute = sources.map((source) => path.join(PROJECT, source));
  const folder = await cached(`${name}-${await sourceHash(...absolute, __filename)}`, say, async (making) => {
    await build({
      entryPoints: [path.join(PROJECT, entry)],
      outfile: path.join(making, `${name}.cjs`),
      bundle: true,
      platform: "node",
      target: "node20",
      logLevel: "error",
      ...options,
    });
  });
  return path.join(folder, `${name}.cjs`);
}
