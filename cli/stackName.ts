/** The stack that commands are about unless the arguments name another. */
const DEFAULT_STACK = "dev";

/**
 * The stack that the arguments of a Pulumi command name, in any of the forms that the CLI reads: `--stack NAME`,
 * `--stack=NAME`, `-s NAME`, `-s=NAME`, `-sNAME`. Undefined when they name none; the last one counts.
 */
export function namedStack(args: string[]): string | undefined {
  let named: string | undefined;
  for (const [index, arg] of args.entries()) {
    if (arg === "--") break;
    if (arg === "--stack" || arg === "-s") named = args[index + 1];
    else named = /^(?:--stack=|-s=?)([^-].*)$/.exec(arg)?.[1] ?? named;
  }
  return named;
}

/**
 * The arguments with the stack in them, and its short name: the part of `organization/project/stack` that its
 * configuration file is called after.
 */
export function withStack(args: string[]): { args: string[]; stack: string } {
  const named = namedStack(args);
  return {
    args: named === undefined ? ["--stack", DEFAULT_STACK, ...args] : args,
    stack: shortName(named ?? DEFAULT_STACK),
  };
}

/** `stack` of `organization/project/stack`. */
export const shortName = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
