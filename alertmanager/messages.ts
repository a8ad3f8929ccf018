/** The alerts that one message describes; it counts the others. Telegram and Discord accept 4,096 characters. */
const DESCRIBED = 7;

/** Such as "[FIRING:1] ContainerOOMKilled llm-1 vllm (critical)". */
export const TITLE =
  '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]' +
  '{{ with .CommonLabels.alertname }} {{ . }}{{ end }} {{ .GroupLabels.SortedPairs.Values | join " " }}' +
  "{{ with .CommonLabels.severity }} ({{ . }}){{ end }}";

/** What happened, what to do, and where to read more: the annotations of each alert. */
export const TEXT = [
  `{{ range $i, $alert := .Alerts }}{{ if lt $i ${DESCRIBED} }}`,
  '{{ if eq $alert.Status "resolved" }}Resolved: {{ end }}{{ printf "%.150s" $alert.Annotations.summary }}\n',
  '{{ if eq $alert.Status "firing" }}{{ printf "%.250s" $alert.Annotations.description }}\n',
  "{{ with $alert.Annotations.runbook_url }}{{ . }}\n{{ end }}{{ end }}",
  "{{ end }}{{ end }}",
  `{{ if gt (len .Alerts) ${DESCRIBED} }}{{ len .Alerts }} alerts in all{{ end }}`,
].join("");
