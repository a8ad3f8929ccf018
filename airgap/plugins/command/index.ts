import { serve } from "../plugin";
import { command, run } from "./command";
import { cancel } from "./shell";

void serve({
  version: "1.2.1",
  resources: { "command:local:Command": command },
  functions: { "command:local:run": run },
  cancel,
});
