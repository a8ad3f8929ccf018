import { useEffect, useState } from "preact/hooks";
import { Unanswered } from "./api";

/** The time between two refreshes, which is that between two scrapes by default. */
export const REFRESH_SECONDS = 30;
/** After a failure, so that the page recovers soon. */
const RETRY_SECONDS = 5;

/** The newest data, and why there is none that is newer. */
export interface Loaded<T> {
  data?: T | undefined;
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
  const [state, setState] = useState<{ key: string; data?: T; failure?: Unanswered }>({ key });
  const [isLoading, setLoading] = useState(true);
  const [asked, setAsked] = useState(0);

  useEffect(() => {
    let isCurrent = true;
    let timer: number | undefined;
    const next = (seconds: number) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => void run(), seconds * 1000);
    };
    const run = async (): Promise<void> => {
      window.clearTimeout(timer);
      if (document.hidden) return; // It goes on when it is seen again.
      setLoading(true);
      const result = await load().then(
        (data) => ({ data }),
        (error: unknown) => ({
          failure: error instanceof Unanswered ? error : new Unanswered("rejected", String(error)),
        }),
      );
      if (!isCurrent) return;
      setLoading(false);
      // After a failure, the last data stays, and its age is shown.
      setState((old) =>
        "data" in result ? { key, data: result.data } : { ...(old.key === key ? old : { key }), ...result },
      );
      next("data" in result ? REFRESH_SECONDS : RETRY_SECONDS);
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
  return state.key === key
    ? { data: state.data, failure: state.failure, isLoading, refresh }
    : { isLoading: true, refresh };
}
