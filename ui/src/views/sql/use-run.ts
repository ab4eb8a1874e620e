// One run of a query: rows as they stream in, cancelled by leaving or Esc.
import { useCallback, useEffect, useRef, useState } from 'react';
import { sql } from '../../api/client';
import { isAbort, type Problem, type Row } from '../../api/types';
import { asProblem } from '../../state/use-sql';

/** Rows that the page takes before it ends the query. */
export const ROWS_MAX = 100_000;
/** Milliseconds between pictures while rows stream in. */
const PICTURE_MS = 120;

export interface RunState {
  query: string | null;
  rows: Row[];
  columns: string[];
  running: boolean;
  /** Whether any run has ended, so that "no rows" means something. */
  done: boolean;
  cancelled: boolean;
  /** ROWS_MAX was reached. */
  stopped: boolean;
  tookMs: number | null;
  problem: Problem | null;
}

const START: RunState = { query: null, rows: [], columns: [], running: false, done: false, cancelled: false, stopped: false, tookMs: null, problem: null };

/** Adds the names of a row that are not known yet, each after its neighbour: a null may be left out of a row. */
export function mergeColumns(columns: string[], row: Row): string[] {
  let merged = columns;
  let after = -1;
  for (const name of Object.keys(row)) {
    const at = merged.indexOf(name);
    if (at >= 0) {
      after = at;
      continue;
    }
    if (merged === columns) merged = [...columns];
    merged.splice(after + 1, 0, name);
    after += 1;
  }
  return merged;
}

export function useRun() {
  const [state, setState] = useState<RunState>(START);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const cancel = useCallback(() => abort.current?.abort(), []);
  const run = useCallback((query: string) => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    const begin = performance.now();
    const rows: Row[] = [];
    let columns: string[] = [];
    let stopped = false;
    let pictured = begin;
    // The old result stays, dimmed, until the first row of the new one.
    setState((old) => ({ ...old, query, running: true, problem: null, cancelled: false, stopped: false, tookMs: null }));
    const picture = (last: Partial<RunState>) => {
      if (abort.current !== mine) return;
      pictured = performance.now();
      setState((old) => ({ ...old, rows: rows.slice(), columns, tookMs: performance.now() - begin, ...last }));
    };
    sql(query, {
      signal: mine.signal,
      onRows: (batch) => {
        for (const row of batch) {
          if (rows.length >= ROWS_MAX) {
            stopped = true;
            return false;
          }
          rows.push(row);
          columns = mergeColumns(columns, row);
        }
        if (performance.now() - pictured > PICTURE_MS) picture({});
        return true;
      },
    }).then(
      () => picture({ running: false, done: true, stopped }),
      (error: unknown) => {
        const cancelled = isAbort(error);
        picture({ running: false, done: rows.length > 0, cancelled, problem: cancelled ? null : asProblem(error) });
      },
    );
  }, []);
  return { state, run, cancel };
}
