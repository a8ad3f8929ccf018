import type { Unanswered } from "../api";
import { clock, duration } from "../format";
import { REFRESH_SECONDS, type Loaded } from "../refresh";

/** The top of the page: when it was refreshed, and the way to Prometheus's own pages. */
export function Header({
  title,
  loaded,
  at,
}: {
  title: string;
  loaded: Loaded<unknown>;
  at?: number | undefined;
}) {
  return (
    <header>
      <h1>{title}</h1>
      <nav aria-label="Prometheus">
        <a href="query">Query</a>
        <a href="alerts">Rules</a>
        <a href="targets">Targets</a>
      </nav>
      <span class="refreshed">
        <span class="quiet" title={`refreshed every ${REFRESH_SECONDS} s while the page is visible`}>
          {at === undefined ? "" : clock(at)}
        </span>
        <button type="button" disabled={loaded.isLoading} onClick={loaded.refresh}>
          Refresh
        </button>
      </span>
    </header>
  );
}

const FAILURES: Record<Unanswered["reason"], string> = {
  unreachable: "Prometheus does not answer",
  "not ready": "Prometheus is not ready",
  login: "The login has expired: load the page again",
  rejected: "Prometheus rejects a query of this page",
};

/** Reports why there is no newer data. */
export const Failure = ({
  loaded: { failure, age },
  at,
}: {
  loaded: Loaded<unknown>;
  at?: number | undefined;
}) => (
  <div role="alert">
    {failure ? (
      <p class="failure">
        {FAILURES[failure.reason]} ({failure.message}).{" "}
        {at === undefined || age === undefined
          ? "The page shows its data as soon as it does."
          : `These numbers are of ${clock(at)}, ${duration(age)} ago.`}
      </p>
    ) : null}
  </div>
);
