import { randomUUID } from "node:crypto";

/** The part of a shell script that writes a text, which ends with a line break, to a file. */
export function writeCommand(file: string, content: string): string {
  const end = randomUUID();
  return `cat > ${file} <<'${end}'\n${content}${end}\n`;
}
