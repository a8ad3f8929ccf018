import { serve } from "../plugin";
import { command, run } from "./command";

void serve("1.2.1", { "command:local:Command": command }, { "command:local:run": run });
