import { useEffect, useMemo, useState } from "preact/hooks";
import { hashOf, viewOf, type OverviewView, type View } from "./address";
import { loadOverview } from "./load";
import type { Overview } from "./overview";
import { useRefreshed } from "./refresh";
import { Alerts, Notices } from "./views/alertList";
import { ContainerPage } from "./views/container";
import { Containers, isLlmServer, LlmServers } from "./views/containerTables";
import { Gpus } from "./views/gpuTable";
import { FirstLine } from "./views/firstLine";
import { Failure, Header } from "./views/header";
import { HostSection } from "./views/host";

/** The page. */
export function App() {
  const [view, show] = useView();
  return view.page === "container" ? (
    <ContainerPage view={view} onView={show} />
  ) : (
    <OverviewPage view={view} onView={show} />
  );
}

/** The view that the address holds, and a function that changes both. */
function useView(): [View, (view: View) => void] {
  const [view, setView] = useState(() => viewOf(location.hash));
  useEffect(() => {
    const onChange = () => {
      setView(viewOf(location.hash));
    };
    window.addEventListener("hashchange", onChange);
    return () => {
      window.removeEventListener("hashchange", onChange);
    };
  }, []);
  const show = (next: View) => {
    // Not a new entry of the history for each letter of a search.
    history.replaceState(null, "", hashOf(next));
    setView(next);
  };
  return [view, show];
}

function OverviewPage({ view, onView }: { view: OverviewView; onView: (view: View) => void }) {
  const loaded = useRefreshed(loadOverview, "overview");
  const { data } = loaded;
  // A sort or a search of the containers draws nothing else again.
  const aboveContainers = useMemo(() => data && <AboveContainers data={data} />, [data]);
  useEffect(() => {
    document.title = data ? titleOf(data) : "Containers";
  }, [data]);
  return (
    <>
      <Header title={data?.host.name || "Containers"} loaded={loaded} at={data?.at} />
      <main aria-busy={!data && !loaded.failure}>
        <Failure loaded={loaded} at={data?.at} />
        {data ? (
          <>
            {aboveContainers}
            <Containers
              containers={data.containers.filter((container) => !isLlmServer(container))}
              now={data.at}
              view={view}
              onView={(changes) => {
                onView({ ...view, ...changes });
              }}
            />
            <HostSection host={data.host} />
          </>
        ) : null}
        {!data && !loaded.failure ? <p class="calm">Loading…</p> : null}
      </main>
    </>
  );
}

/** All parts of the first screen above the table of containers. */
const AboveContainers = ({
  data: { host, containers, gpus, notices, alerts, whyNoGpus, at },
}: {
  data: Overview;
}) => (
  <>
    <FirstLine
      host={host}
      hasServers={containers.some(({ server }) => server !== undefined)}
      hasGpus={gpus.length > 0}
    />
    <Notices notices={notices} />
    <Alerts alerts={alerts} now={at} />
    <LlmServers containers={containers.filter(isLlmServer)} now={at} />
    <Gpus gpus={gpus} missing={whyNoGpus} />
  </>
);

/** What a tab in the background shows. */
function titleOf({ alerts, host }: Overview): string {
  const urgent = alerts.filter(({ severity }) => severity !== "info").length;
  return `${urgent > 0 ? `(${urgent}) ` : ""}${host.name || "Containers"}`;
}
