import { pulumi, pulumiEnvironment } from "./pulumiCommand";

/** `npm run pulumi -- ARGS`: the Pulumi CLI in the project's environment. */
export default async (args: string[]): Promise<number> => {
  return (await pulumi(args, await pulumiEnvironment())).status;
};
