import { parseArgs } from "node:util";

/** The stack of a command that names none. */
export const DEFAULT_STACK = "dev";

/** The flags of `pulumi up`, `preview` and `destroy` that take a value, with their short forms. */
const WITH_VALUE = {
  ...{ stack: "s", target: "t", config: "c", message: "m", parallel: "p", cwd: "C", verbose: "v" },
  ...{ color: "", "config-file": "", exclude: "", replace: "", "target-replace": "", "policy-pack": "" },
  ...{ "policy-pack-config": "", "save-plan": "", plan: "", "import-file": "", "override-env": "" },
  ...{ profiling: "", tracing: "", "otel-traces": "", memprofilerate: "" },
};

/** Flags that change what a command does, and that npm keeps for itself where `--` is missing before them. */
const KEPT_BY_NPM = [
  ...["stack", "target", "target-dependents", "target-replace", "exclude", "exclude-protected", "replace"],
  ...["refresh", "diff", "config", "config-file", "parallel", "remove", "preview-only", "expect-no-changes"],
];

/** The parsed arguments of a command on a stack. */
export interface StackArguments {
  /** The stack as it was named, which may be `organization/project/stack`. */
  name: string;
  /** Its short name, which Docker's labels and the file of its settings have. */
  stack: string;
  /** The arguments for the Pulumi CLI, which name the stack. */
  args: string[];
}

/**
 * Reads the arguments of `npm run up`, `preview` and `down`.
 *
 * @throws Error where a word is no flag, or npm kept a flag for itself
 */
export function stackArguments(command: string, args: string[]): StackArguments {
  requireAllFlags(command, args);
  const { values, positionals } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    options: Object.fromEntries(
      Object.entries(WITH_VALUE).map(([flag, short]) => [
        flag,
        { type: "string" as const, multiple: true, ...(short && { short }) },
      ]),
    ),
  });
  if (positionals.length > 0)
    throw new Error(
      `${JSON.stringify(positionals[0])} is not a flag, and \`npm run ${command}\` takes nothing else. ` +
        `Name a stack after two dashes: npm run ${command} -- --stack ${positionals[0] ?? ""}`,
    );
  const named = (values["stack"] as string[] | undefined)?.at(-1)?.replace(/^=/, "");
  const name = named ?? DEFAULT_STACK;
  return {
    name,
    stack: shortName(name),
    args: named === undefined ? ["--stack", name, ...args] : args,
  };
}

/** Refuses a command without the flags that npm kept: `npm run down --stack=prod` would remove the stack dev. */
export function requireAllFlags(command: string, args: string[]): void {
  for (const flag of KEPT_BY_NPM) {
    const value = process.env[`npm_config_${flag.replaceAll("-", "_")}`];
    if (value === undefined) continue;
    const words = [`--${flag}`, ...(value === "true" ? [] : [value]), ...args].join(" ");
    throw new Error(
      `npm kept --${flag} for itself, so nothing was done. Flags come after two dashes: npm run ${command} -- ${words}`,
    );
  }
}

/** `stack` of `organization/project/stack`. */
export const shortName = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
