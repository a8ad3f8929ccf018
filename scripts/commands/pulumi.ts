import { pulumi, pulumiEnvironment } from "../pulumi";

/** `npm run pulumi -- ARGS`: the Pulumi CLI in the project's environment. */
export default async (args: string[]): Promise<number> =>
  (await pulumi(args, await pulumiEnvironment())).status;
