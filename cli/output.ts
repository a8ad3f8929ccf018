/**
 * A row of progress that adds nothing: a resource in which nothing was done yet, a message that the section "Diagnostics" shows,
 * or an image, which is on the host already.
 */
const REPEATED = new RegExp(
  [
    /^ .{3}\S+:\S+ \S+ (((\w+ing|refresh|read)?( \([\d.]+s\))? *$)|.*\b(error|warning): )/,
    /^ .{3}pulumi:pulumi:Stack \S+ \w+ing( \([\d.]+s\))? \S/,
    /^ .{3}docker:index:RemoteImage \S+ created /,
    /^(Loading policy packs|@ )/,
  ]
    .map(({ source }) => source)
    .join("|"),
);

/** A row of progress with a message: the resource, and the message. */
const MESSAGE = /^ .{3}(\S+:\S+ \S+) \w+ \([\d.]+s\) (\S.*)$/;

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
  let last: string | undefined;
  return {
    write(line) {
      const message = MESSAGE.exec(line)?.slice(1).join(" ");
      const isRepeated = REPEATED.test(line) || (message !== undefined && message === last);
      last = message ?? last;
      if (summary.length > 0 || line === "Resources:") summary.push(line);
      else if (!isRepeated && !(blank && !line)) {
        print(line);
        blank = !line;
      }
    },
    end(succeeded) {
      if (succeeded) for (const line of summary.filter(Boolean)) print(line);
    },
  };
}
