/** Writes a line of progress to standard error, where it does not mix with the output of Pulumi. */
export function log(line: string): void {
  process.stderr.write(`${line}\n`);
}
