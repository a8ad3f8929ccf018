import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { generatedFiles } from "./generated";

/** `npm run dashboards`: writes the files below `dashboards/`. */
export default (): Promise<number> => {
  for (const [name, content] of Object.entries(generatedFiles())) {
    const file = path.join("dashboards", name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return Promise.resolve(0);
};
