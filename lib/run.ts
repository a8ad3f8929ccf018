import { execa, type ExecaError } from "execa";

/** How a program is run. */
export interface RunOptions {
  /** Written to its standard input. */
  input?: string;
  /** Its working directory. Default: this process's. */
  cwd?: string;
  /** Variables that are added to {@link childEnvironment}. */
  env?: NodeJS.ProcessEnv;
  /** Whether to return its standard error too, in order with the output. Default: no. */
  stderr?: boolean;
  /** Seconds after which it is killed, which is an error. Default: no limit. */
  timeoutSeconds?: number;
}

/**
 * The environment for child processes: this process's, without PULUMI_CONFIG, in which Pulumi passes the decrypted secrets of
 * the stack to its program, and without the platform that the Docker CLI would choose for images, which the Docker provider does not read.
 */
export const childEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PULUMI_CONFIG: undefined,
  DOCKER_DEFAULT_PLATFORM: undefined,
});

/**
 * Runs a program and waits until it exits.
 *
 * @returns its output, unchanged
 * @throws Error with the end of its output when it fails; the cause is execa's error
 */
export async function run(
  program: string,
  args: readonly string[] = [],
  { input = "", cwd, env, stderr: withStderr = false, timeoutSeconds = 0 }: RunOptions = {},
): Promise<string> {
  try {
    const { stdout, all } = await execa(program, args, {
      input,
      env: { ...childEnvironment(), ...env },
      extendEnv: false,
      stripFinalNewline: false,
      all: withStderr,
      timeout: timeoutSeconds * 1000,
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
