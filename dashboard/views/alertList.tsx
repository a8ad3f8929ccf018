import type { Alert } from "../alerts";
import { duration } from "../format";
import { groupBy } from "../group";
import type { Notice } from "../notices";
import { prometheusPage } from "../prometheusPage";
import { forContainer, type Runbooks } from "../runbooks";
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

/** The runbooks, which are bundled with the page. */
declare const RUNBOOKS: Runbooks;

/** The steps of an alert's runbook, with the name of its container. */
function RunbookOf({ alert: { name, runbook, container } }: { alert: Alert }) {
  const steps = RUNBOOKS[name];
  if (!steps) return runbook ? <RunbookLink url={runbook} /> : null;
  const of = (text: string) => forContainer(text, container?.name);
  return (
    <details class="runbook">
      <summary>Runbook</summary>
      <p>
        <Text>{steps.meaning}</Text>
      </p>
      <ul>
        {steps.queries.map(of).map((query) => (
          <li key={query}>
            Query: <a href={prometheusPage(query)}>{query}</a>
          </li>
        ))}
        {steps.commands.map(of).map((command) => (
          <li key={command}>
            Command: <code>{command}</code>
          </li>
        ))}
        <li>
          Do: <Text>{of(steps.action)}</Text>
        </li>
        {runbook ? (
          <li>
            <RunbookLink url={runbook} />
          </li>
        ) : null}
      </ul>
    </details>
  );
}

const RunbookLink = ({ url }: { url: URL }) => (
  <a href={url.href} rel="noreferrer">
    {url.href}
  </a>
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
      {alert.container ? <ContainerLink name={alert.container.name} /> : null}
    </p>
    <RunbookOf alert={alert} />
  </li>
);
