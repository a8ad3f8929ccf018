/** Runs a program of this folder. Its exit status is 0 only when it has finished, so that an early exit is a failure; of an error, the message is logged. */
export function run(program: () => Promise<void>): void {
  process.exitCode = 1;
  program().then(
    () => {
      process.exitCode = 0;
    },
    (error: unknown) => {
      console.error((error as Error).message);
    },
  );
}
