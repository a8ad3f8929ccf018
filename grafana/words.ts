/** The columns of a table of alerts, by the labels of the alerts. */
export const ALERT_LABELS = {
  alertname: "Alert",
  severity: "Severity",
  name: "Container",
  gpu: "GPU",
  job: "Job",
};

/** The health of a container, as words with colors. cAdvisor does not tell the first two apart. */
export const HEALTH = {
  0: { text: "unhealthy or starting", color: "red" },
  1: { text: "healthy", color: "green" },
};
