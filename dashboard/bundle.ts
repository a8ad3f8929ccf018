import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";
import { parseRunbooks } from "./runbooks";

/** The page's files by name: `index.html`, and those that it loads. The names of these change with their content. */
export type PageFiles = Record<string, string>;

let built: PageFiles | undefined;

/**
 * Bundles the page, once in each process. The program and its commands run in the project's folder, so paths start there: this module itself may be part
 * of a bundle elsewhere.
 */
export const pageFiles = (): PageFiles => (built ??= build());

function build(): PageFiles {
  const { outputFiles } = buildSync({
    entryPoints: [path.resolve("dashboard/main.tsx")],
    outdir: "page",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome111", "firefox113", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    define: { RUNBOOKS: JSON.stringify(parseRunbooks(read("docs/runbooks.md"))) },
    logLevel: "error",
  });
  const text = (extension: string) => outputFiles.find((file) => file.path.endsWith(extension))?.text ?? "";
  const [script, style] = [named(text(".js"), "js"), named(text(".css"), "css")];
  const icon = named(read("dashboard/icon.svg"), "svg");
  return {
    [script.name]: script.content,
    [style.name]: style.content,
    [icon.name]: icon.content,
    "index.html": html(script.name, style.name, icon.name),
  };
}

const read = (file: string) => readFileSync(path.resolve(file), "utf8");

/** Identifies the content of the page. */
export const pageVersion = (files: PageFiles): string => hash(files["index.html"] ?? "");

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);

const named = (content: string, extension: string) => ({
  name: `page-${hash(content)}.${extension}`,
  content,
});

const html = (script: string, style: string, icon: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Containers</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. Prometheus's own page is <a href="query">/query</a>.</noscript>
</body>
</html>
`;
