import { execFile } from "node:child_process";

/**
 * The environment of the programs that this one runs: its own, without the stack's configuration, in which Pulumi gives its
 * program the decrypted secrets.
 */
export const environment = (): NodeJS.ProcessEnv => ({ ...process.env, PULUMI_CONFIG: undefined });

/**
 * Runs a program to its end.
 *
 * @param input written to its standard input
 * @param env more of its environment
 * @throws Error with what it wrote to both its outputs, and Node's error as its cause
 */
export function execute(
  [program = "", ...args]: string[],
  input = "",
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...environment(), ...env },
    };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error)
        reject(
          new Error(
            `${[program, ...args.slice(0, 3)].join(" ")} failed: ${(stderr + stdout).trim() || error.message}`,
            { cause: error },
          ),
        );
      else resolve(stdout);
    });
    // A program that fails at once does not read; why it failed is told above.
    child.stdin?.on("error", () => undefined).end(input);
  });
}
