import { pulumi, pulumiEnvironment } from "../pulumi";

/** `npm run pulumi -- ARGS`: the Pulumi CLI in the project's environment. */
export default async (args: string[]): Promise<number> => {
  const env = await pulumiEnvironment();
  // What is watched changes, so no bundle will do.
  return (await pulumi(args, args.includes("watch") ? { ...env, LLM_METRICS_BUNDLES: "" } : env)).status;
};
