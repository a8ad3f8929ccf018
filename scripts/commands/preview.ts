import { POLICY_PACK } from "../environment/bundles";
import { onStack } from "../pulumi";

/** `npm run preview [-- ARGS]`: shows what `npm run up` would change. */
export default (args: string[]): Promise<number> => onStack(["preview", "--policy-pack", POLICY_PACK], args);
