import type { Alert } from "../alerts";
import { duration } from "../format";
import { groupBy } from "../group";
import type { Notice } from "../notices";
import { Badge, ContainerLink, Section, Text } from "./parts";

/** More alerts of one name are folded. */
const SHOWN_OF_A_NAME = 3;

/** What is missing on the page, and why. */
export const Notices = ({ notices }: { notices: readonly Notice[] }) =>
  notices.length === 0 ? null : (
    <ul class="notices">
      {notices.map(({ severity, text }) => (
        <li key={text} class={severity}>
          {text}
        </li>
      ))}
    </ul>
  );

/** The firing alerts, each with what to do. A screen reader reads new ones. */
export function Alerts({ alerts, now }: { alerts: readonly Alert[]; now: number }) {
  const [info, urgent] = [alerts.filter(isInfo), alerts.filter((alert) => !isInfo(alert))];
  return (
    <Section id="alerts" title="Alerts" aside={<a href="alerts">all rules</a>}>
      <div aria-live="polite">
        {urgent.length === 0 ? <p class="calm">No alert fires.</p> : null}
        {[...groupBy(urgent, ({ name }) => name)].map(([name, group]) => (
          <ul key={name} class="alerts">
            {group.slice(0, SHOWN_OF_A_NAME).map((alert) => (
              <AlertItem key={JSON.stringify(alert.labels)} alert={alert} now={now} />
            ))}
            {group.length > SHOWN_OF_A_NAME ? (
              <li>
                <Folded
                  summary={`${group.length - SHOWN_OF_A_NAME} more: ${name}`}
                  alerts={group.slice(SHOWN_OF_A_NAME)}
                  now={now}
                />
              </li>
            ) : null}
          </ul>
        ))}
      </div>
      {info.length > 0 ? (
        <Folded
          summary={info.length === 1 ? "1 note without urgency" : `${info.length} notes without urgency`}
          alerts={info}
          now={now}
        />
      ) : null}
    </Section>
  );
}

const isInfo = ({ severity }: Alert) => severity === "info";

const Folded = ({ summary, alerts, now }: { summary: string; alerts: readonly Alert[]; now: number }) => (
  <details>
    <summary>{summary}</summary>
    <ul class="alerts">
      {alerts.map((alert) => (
        <AlertItem key={JSON.stringify(alert.labels)} alert={alert} now={now} />
      ))}
    </ul>
  </details>
);

/** An alert with what to do. */
export const AlertItem = ({ alert, now }: { alert: Alert; now: number }) => (
  <li class={`alert ${alert.severity}`}>
    <div class="summary">
      <Badge kind={alert.severity}>{alert.severity}</Badge> <strong>{alert.summary}</strong>{" "}
      <span class="quiet">for {duration(now - alert.since)}</span>
    </div>
    <p>
      <Text>{alert.description}</Text>{" "}
      {alert.runbook ? (
        <a href={alert.runbook.href} rel="noreferrer">
          Runbook of {alert.name}
        </a>
      ) : null}{" "}
      {alert.container ? <ContainerLink name={alert.container.name} /> : null}
    </p>
  </li>
);
