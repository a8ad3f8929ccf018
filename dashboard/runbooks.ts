/** What docs/runbooks.md has about an alert. */
export interface Runbook {
  meaning: string;
  queries: string[];
  commands: string[];
  /** What to do. */
  action: string;
}

/** Runbooks by the name of the alert. */
export type Runbooks = Readonly<Record<string, Runbook>>;

/** Reads docs/runbooks.md: a section for each alert, with paragraphs and then the items Query, Command and Do. */
export function parseRunbooks(markdown: string): Runbooks {
  const [, ...sections] = markdown.split(/^## /m);
  return Object.fromEntries(
    sections.map((section) => {
      const [name = "", ...lines] = section.split("\n");
      const [meaning = "", ...items] = lines.join("\n").split(/^- (?=Query: |Command: |Do: )/m);
      const of = (kind: string) =>
        items
          .filter((item) => item.startsWith(`${kind}: `))
          .map((item) => plain(item.slice(kind.length + 2)));
      const code = (kind: string) => of(kind).map((item) => item.replace(/^`|`$/g, ""));
      return [
        name,
        {
          meaning: plain(meaning),
          queries: code("Query"),
          commands: code("Command"),
          action: of("Do").join(" "),
        },
      ];
    }),
  );
}

/** A paragraph in one line; of a link, the text. */
const plain = (text: string) =>
  text
    .replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .replace(/\s+/g, " ")
    .trim();

/** What Docker accepts as a name. Other values of a label stand in no command. */
const DOCKER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** A command or query of a runbook for the container of an alert. */
export const forContainer = (text: string, name = ""): string =>
  DOCKER_NAME.test(name) ? text.replace(/\bCONTAINER\b/g, name) : text;
