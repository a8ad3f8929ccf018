import { containerDashboard } from "./container";
import { hostDashboard } from "./host";
import { provisioningFiles } from "./provisioning";

/** The files below `dashboards/`, by their path there. */
export const generatedFiles = (): Record<string, string> => ({
  "container.json": json(containerDashboard().build()),
  "host.json": json(hostDashboard().build()),
  ...provisioningFiles(),
});

const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;
