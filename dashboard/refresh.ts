import { useEffect, useState } from "preact/hooks";
import { Unanswered } from "./api";

/** The time between two refreshes, which is that between two scrapes by default. */
export const REFRESH_SECONDS = 30;
/** While Prometheus does not answer, so that the page recovers soon. */
const RETRY_SECONDS = 5;

/** The time until the next refresh. What Prometheus or the gateway rejects, it rejects again. */
const secondsAfter = (failure?: Unanswered): number =>
  failure?.reason === "unreachable" || failure?.reason === "not ready" ? RETRY_SECONDS : REFRESH_SECONDS;

/** The newest data, and why there is none that is newer. */
export interface Loaded<T> {
  data?: T | undefined;
  /** Seconds since the data was loaded, by the reader's clock alone. */
  age?: number | undefined;
  failure?: Unanswered | undefined;
  isLoading: boolean;
  refresh: () => void;
}

/**
 * Loads data again and again, but not while the page is hidden.
 *
 * @param load queries Prometheus
 * @param key what the data depends on: it is loaded at once when that changes
 */
export function useRefreshed<T>(load: () => Promise<T>, key: string): Loaded<T> {
  const [state, setState] = useState<{
    key: string;
    data?: T;
    loadedAt?: number;
    failure?: Unanswered | undefined;
  }>({
    key,
  });
  const [isLoading, setLoading] = useState(true);
  const [asked, setAsked] = useState(0);

  useEffect(() => {
    let isCurrent = true;
    let isRunning = false;
    let timer: number | undefined;
    const next = (seconds: number) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void run(), seconds * 1000);
    };
    const run = async (): Promise<void> => {
      window.clearTimeout(timer);
      // It goes on when it is seen again, or when the answers are there.
      if (document.hidden || isRunning) return;
      isRunning = true;
      setLoading(true);
      const result = await load().then(
        (data) => ({ data, loadedAt: Date.now(), failure: undefined }),
        (error: unknown) => ({
          failure: error instanceof Unanswered ? error : new Unanswered("rejected", String(error)),
        }),
      );
      isRunning = false;
      if (!isCurrent) return;
      setLoading(false);
      // After a failure, the last data stays, and its age is shown.
      setState((old) =>
        "data" in result ? { key, ...result } : { ...(old.key === key ? old : { key }), ...result },
      );
      next(secondsAfter(result.failure));
    };
    const onVisible = () => {
      if (!document.hidden) void run();
    };
    document.addEventListener("visibilitychange", onVisible);
    void run();
    return () => {
      isCurrent = false;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [key, asked]);

  const refresh = () => {
    setAsked((times) => times + 1);
  };
  if (state.key !== key) return { isLoading: true, refresh };
  const { data, loadedAt, failure } = state;
  const age = loadedAt === undefined ? undefined : (Date.now() - loadedAt) / 1000;
  return { data, age, failure, isLoading, refresh };
}
