/** A row of progress: a resource in which nothing was done yet, or a message that the section "Diagnostics" shows. */
const REPEATED =
  /^ .{3}\S+:\S+ \S+ (((\w+ing|refresh|read)?( \([\d.]+s\))? *$)|.*\b(error|warning): )|^(Loading policy packs|@ )/;

/**
 * Leaves out, of what Pulumi writes of an operation where there is no terminal, the lines that a reader does not need: the
 * beginnings of steps, repeated messages, and, after a failure, the count of resources, so that the failure comes last.
 */
export function reduceOutput(print: (line: string) => void): {
  write: (line: string) => void;
  end: (succeeded: boolean) => void;
} {
  const summary: string[] = [];
  let blank = true;
  return {
    write(line) {
      if (summary.length > 0 || line === "Resources:") summary.push(line);
      else if (!REPEATED.test(line) && !(blank && !line)) {
        print(line);
        blank = !line;
      }
    },
    end(succeeded) {
      if (succeeded) for (const line of summary.filter(Boolean)) print(line);
    },
  };
}
