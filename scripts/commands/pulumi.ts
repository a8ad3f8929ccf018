import { pulumi, pulumiEnvironment } from "../pulumi";

/** `npm run pulumi -- ARGS`: the Pulumi CLI in the project's environment. */
export default async (args: string[]): Promise<number> => pulumi(args, await pulumiEnvironment());
