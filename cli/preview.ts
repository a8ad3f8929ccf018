import { onStack, POLICY_PACK } from "./pulumiCommand";

/** `npm run preview [-- ARGS]`: shows what `npm run up` would change. */
export default (args: string[]): Promise<number> => onStack(["preview", "--policy-pack", POLICY_PACK], args);
