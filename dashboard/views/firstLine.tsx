import { format } from "../format";
import type { Host } from "../overview";
import { last } from "../tagged";
import { Fact, Trend, Value } from "./parts";

/**
 * The first line of the first screen: how much the host serves.
 *
 * @param hasServers whether an LLM server runs
 * @param hasGpus whether the host has GPUs
 */
export function FirstLine({
  host: { generated, prompts, running, waiting, gpusBusy, gpusMeasured },
  hasServers,
  hasGpus,
}: {
  host: Host;
  hasServers: boolean;
  hasGpus: boolean;
}) {
  if (!hasServers && !hasGpus) return null;
  return (
    <section aria-label="At a glance">
      <dl class="facts glance">
        {hasServers ? (
          <>
            <Fact title="Tokens generated">
              <Trend series={generated} unit="per second" />
            </Fact>
            <Fact title="Tokens of prompts">
              <Trend series={prompts} unit="per second" />
            </Fact>
            <Fact title="Requests">
              <Trend series={running} other={waiting} unit="count">
                {" running, "}
                <Waiting value={last(waiting)} />
              </Trend>
            </Fact>
          </>
        ) : null}
        {hasGpus ? (
          <Fact title="GPUs">
            <Trend series={gpusBusy} unit="count" max={gpusMeasured}>
              {gpusMeasured === undefined ? null : ` of ${format(gpusMeasured, "count")}`} busy
            </Trend>
          </Fact>
        ) : null}
      </dl>
    </section>
  );
}

/** The requests that wait, in the color of their line. */
export const Waiting = ({ value }: { value: number | undefined }) => (
  <span class={value ? "waiting" : undefined}>
    <Value value={value} unit="count" /> waiting
  </span>
);
