/** The columns of a table of alerts, by the labels of the alerts. */
export const ALERT_LABELS = {
  alertname: "Alert",
  severity: "Severity",
  name: "Container",
  gpu: "GPU",
  job: "Job",
};

/** The health of a container, as words with colors. */
export const HEALTH = {
  0: { text: "not healthy", color: "red" },
  1: { text: "healthy", color: "green" },
};
