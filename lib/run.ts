import { execa, type ExecaError } from "execa";

/** How a program is run. */
export interface RunOptions {
  /** Written to its standard input. */
  input?: string;
  /** Its working directory. Default: this process's. */
  cwd?: string;
  /** Variables that are added to {@link childEnvironment}. */
  env?: NodeJS.ProcessEnv;
  /** Seconds after which it is ended, which is a failure. Default: none. */
  timeout?: number;
  /** Whether to return its standard error too, in order with the output. Default: no. */
  stderr?: boolean;
}

/**
 * The environment for child processes: this process's, without PULUMI_CONFIG, in which Pulumi passes the decrypted secrets of
 * the stack to its program.
 */
export const childEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, PULUMI_CONFIG: undefined });

/**
 * Runs a program and waits until it exits.
 *
 * @returns its output, unchanged
 * @throws Error with the end of its output when it fails; the cause is execa's error
 */
export async function run(
  program: string,
  args: readonly string[] = [],
  { input = "", cwd, env, timeout = 0, stderr: withStderr = false }: RunOptions = {},
): Promise<string> {
  try {
    const { stdout, all } = await execa(program, args, {
      input,
      env: { ...childEnvironment(), ...env },
      extendEnv: false,
      stripFinalNewline: false,
      all: withStderr,
      timeout: timeout * 1000,
      ...(cwd && { cwd }),
    });
    return all ?? stdout;
  } catch (error) {
    const {
      stdout = "",
      stderr = "",
      shortMessage,
    } = error as Partial<ExecaError<{ stripFinalNewline: false }>> & Error;
    const output = `${stderr}${stdout}`.trim().slice(-4000);
    throw new Error(`${[program, ...args.slice(0, 3)].join(" ")} failed: ${output || shortMessage}`, {
      cause: error,
    });
  }
}

/** Whether a program exits with status 0. */
export const succeeds = (
  program: string,
  args: readonly string[] = [],
  options?: RunOptions,
): Promise<boolean> =>
  run(program, args, options).then(
    () => true,
    () => false,
  );
