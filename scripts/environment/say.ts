/** Says what a step found or does, in one line, where it does not mix with the output of Pulumi. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
