import { serve } from "../plugin";
import { command } from "./command";
import { cancel } from "./shell";

void serve({
  version: "1.2.1",
  resources: { "command:local:Command": command },
  cancel,
});
