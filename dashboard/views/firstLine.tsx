import { format } from "../format";
import type { Host } from "../overview";
import { last } from "../tagged";
import { Trend, Value } from "./parts";

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
            <div>
              <dt>Tokens generated</dt>
              <dd>
                <Trend series={generated} unit="per second" />
              </dd>
            </div>
            <div>
              <dt>Tokens of prompts</dt>
              <dd>
                <Trend series={prompts} unit="per second" />
              </dd>
            </div>
            <div>
              <dt>Requests</dt>
              <dd>
                <Trend series={running} other={waiting} unit="count">
                  {" running, "}
                  <Waiting value={last(waiting)} />
                </Trend>
              </dd>
            </div>
          </>
        ) : null}
        {hasGpus ? (
          <div>
            <dt>GPUs</dt>
            <dd>
              <Trend series={gpusBusy} unit="count" max={gpusMeasured}>
                {gpusMeasured === undefined ? null : ` of ${format(gpusMeasured, "count")}`} busy
              </Trend>
            </dd>
          </div>
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
