// A query that a view shows: the old rows stay while new ones load, and it repeats when asked to.
import { useCallback, useEffect, useRef, useState } from 'react';
import { sql } from '../api/client';
import { isAbort, Problem, type Row } from '../api/types';

export interface Answer {
  /** Null until the first answer. */
  rows: Row[] | null;
  problem: Problem | null;
  loading: boolean;
  again: () => void;
}

/** A repeated query rests at least this many times as long as it took, so that looking never loads the host. */
const REST_FACTOR = 4;
const RETRY_MS_MAX = 15_000;

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem('this page failed', 0, String(error), 'Reload the page.');
}

/** Calls `task` now and then every `everyMs` (null: once) while the page is visible; slower after errors and slow answers. */
export function useRepeated(task: (signal: AbortSignal) => Promise<void>, everyMs: number | null, enabled = true): void {
  useEffect(() => {
    if (!enabled) return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    const step = async () => {
      const begin = performance.now();
      try {
        if (!document.hidden) await task(abort.signal);
        failures = 0;
      } catch (error) {
        if (isAbort(error)) return;
        failures += 1;
      }
      if (abort.signal.aborted) return;
      const took = performance.now() - begin;
      const rest = failures > 0 ? Math.min(RETRY_MS_MAX, 1000 * 2 ** failures) : Math.max(everyMs ?? 0, took * REST_FACTOR);
      if (everyMs !== null || failures > 0) timer = setTimeout(() => void step(), rest);
    };
    void step();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [task, everyMs, enabled]);
}

export function useSql(query: string | null, everyMs: number | null = null): Answer {
  const [answer, setAnswer] = useState<Omit<Answer, 'again'>>({ rows: null, problem: null, loading: query !== null });
  const [turn, setTurn] = useState(0);
  const shown = useRef<string | null>(null);
  const task = useCallback(
    async (signal: AbortSignal) => {
      if (query === null) return;
      // A repetition of the same query is no news to dim the picture for.
      if (shown.current !== query) setAnswer((old) => ({ ...old, loading: true }));
      try {
        const rows = await sql(query, { signal });
        shown.current = query;
        setAnswer({ rows, problem: null, loading: false });
      } catch (error) {
        if (isAbort(error)) throw error;
        const problem = asProblem(error);
        setAnswer((old) => ({ rows: old.rows, problem, loading: false }));
        // A wrong query stays wrong; only a silent or busy server is asked again.
        if (problem.status === 0 || problem.status === 429 || problem.status >= 500) throw error;
      }
    },
    // `turn` is there so that "again" runs the same query once more.
    [query, turn],
  );
  useRepeated(task, everyMs, query !== null);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  return { ...answer, again };
}
