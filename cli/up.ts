import { onStack, POLICY_PACK } from "./pulumiCommand";

/**
 * `npm run up [-- ARGS]`: deploys a stack, and repairs what was changed by hand. Settings and host are checked before
 * anything is changed, so no preview comes first.
 */
export default (args: string[]): Promise<number> =>
  onStack(["up", "--yes", "--skip-preview", "--refresh", "--policy-pack", POLICY_PACK], args, {
    deploys: true,
  });
