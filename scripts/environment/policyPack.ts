import path from "node:path";
import { build } from "esbuild";
import { sourceHash } from "../../airgap/plugins/build";
import { cached } from "../../airgap/toolchain/cached";
import { say } from "./say";

/** The folder of the policy pack, for `--policy-pack` and, on stacks of other projects, for the PATH. */
export const POLICY_PACK = path.join(__dirname, "../../policy");

/** The policy pack as one file, made unless the cache has that of the present sources. */
export async function policyBundle(): Promise<string> {
  const folder = await cached(`policy-${await sourceHash(POLICY_PACK)}`, say, async (making) => {
    await build({
      entryPoints: [path.join(POLICY_PACK, "index.ts")],
      outfile: path.join(making, "policy.cjs"),
      bundle: true,
      minify: true,
      platform: "node",
      target: "node20",
      plugins: [
        {
          name: "only what the pack uses of @pulumi/pulumi",
          setup: (bundle) => {
            bundle.onResolve({ filter: /^@pulumi\/pulumi$/ }, () => ({
              path: path.join(POLICY_PACK, "pulumi.ts"),
            }));
          },
        },
      ],
      logLevel: "error",
    });
  });
  return path.join(folder, "policy.cjs");
}
