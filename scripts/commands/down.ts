import { onStack } from "../pulumi";

/** `npm run down [-- ARGS]`: removes what a stack deployed. Its configuration stays; so does a protected volume, which stops it. */
export default (args: string[]): Promise<number> => onStack(["destroy", "--yes", "--skip-preview"], args);
