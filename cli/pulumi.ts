import { pulumi, pulumiEnvironment } from "./pulumiCommand";
import { requireAllFlags } from "./stackArguments";

/** `npm run pulumi -- ARGS`: the Pulumi CLI in the project's environment. */
export default async (args: string[]): Promise<number> => {
  requireAllFlags("pulumi", args);
  return pulumi(args, await pulumiEnvironment());
};
