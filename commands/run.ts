/** Runs a program of this folder: its status is 0 only when it is done, so that what ends early has failed; an error is told by its message. */
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
