// The held rows of the list, kept current. Polling instead of server-sent events: `requests` is many tables, a row may come up to a
// minute after its time, and an answer that replaces its span of time needs no bookkeeping to be right.
import { useCallback, useRef, useState } from 'react';
import { sql } from '../../api/client';
import { isAbort, type Problem, type Row } from '../../api/types';
import type { Filter } from '../../state/filters';
import { since, type Range } from '../../state/range';
import { timestamp } from '../../state/sql-text';
import { asProblem, useRepeated } from '../../state/use-sql';
import { firstQuery, join, joinOlder, listQuery, olderQuery, PAGE_ROWS, whereConditions } from './rows';
import { addNanoseconds } from '../../parts/format';

const POLL_MS = 1000;
/** Each poll looks this far behind the newest row held, every LATE_TURN-th one as far back as an unanswered request may come from. */
const OVERLAP_NS = -3_000_000_000;
const LATE_NS = -65_000_000_000;
const LATE_TURN = 10;

export interface Requests {
  rows: Row[] | null;
  problem: Problem | null;
  loading: boolean;
  /** All rows of the range are held. */
  complete: boolean;
  /** While paused: how many rows are newer than the newest one held. */
  fresh: number;
  loadOlder: () => void;
  /** Takes in what is new, paused or not. */
  again: () => void;
}

interface Held {
  key: string;
  rows: Row[];
  complete: boolean;
}

export function useRequests(range: Range, filters: Filter[], text: string, paused: boolean): Requests {
  const key = firstQuery(range, filters, text);
  const [held, setHeld] = useState<Held | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [fresh, setFresh] = useState(0);
  const [turn, setTurn] = useState(0);
  const forced = useRef(false);
  const current = useRef<Held | null>(null);
  const polls = useRef(0);
  const loadingOlder = useRef(false);

  const put = (next: Held) => {
    current.current = next;
    setHeld(next);
  };

  const step = useCallback(
    async (signal: AbortSignal) => {
      try {
        const before = current.current?.key === key ? current.current : null;
        const newest = before?.rows[0]?.time;
        if (before === null || typeof newest !== 'string') {
          const rows = await sql(key, { signal });
          put({ key, rows, complete: rows.length < PAGE_ROWS });
          setFresh(0);
        } else if (paused && !forced.current) {
          setFresh(await countNewer(newest, filters, text, signal));
        } else {
          forced.current = false;
          polls.current += 1;
          const from = addNanoseconds(newest, polls.current % LATE_TURN === 0 ? LATE_NS : OVERLAP_NS);
          const answer = await sql(listQuery([after(from), ...whereConditions(filters, text)]), { signal });
          // Older rows may have been loaded while this answer was on its way.
          const latest: Held = current.current?.key === key ? current.current : before;
          const rows = join(latest.rows, answer, PAGE_ROWS, from);
          put({ key, rows, complete: latest.complete && rows.at(-1)?.time === latest.rows.at(-1)?.time });
          setFresh(0);
        }
        setProblem(null);
      } catch (error) {
        if (!isAbort(error)) setProblem(asProblem(error));
        throw error;
      }
    },
    // `key` holds range, filters and text; `turn` asks again.
    [key, turn, paused],
  );

  useRepeated(step, range.kind === 'live' ? POLL_MS : null);

  const loadOlder = useCallback(() => {
    const before = current.current;
    const oldest = before?.rows.at(-1);
    if (before === null || before.complete || before.key !== key || oldest === undefined || loadingOlder.current) return;
    loadingOlder.current = true;
    sql(olderQuery(range, filters, text, String(oldest.time)))
      .then((older) => {
        const now = current.current;
        if (now === null || now.key !== before.key) return;
        const rows = joinOlder(now.rows, older);
        put({ ...now, rows, complete: older.length < PAGE_ROWS || rows.length === now.rows.length });
      })
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => {
        loadingOlder.current = false;
      });
  }, [key]);

  const again = useCallback(() => {
    if (range.kind !== 'live') current.current = null;
    forced.current = true;
    setTurn((old) => old + 1);
  }, [range.kind]);

  return { rows: held?.rows ?? null, problem, loading: held?.key !== key, complete: held?.complete ?? false, fresh, loadOlder, again };
}

function after(time: string | null): string {
  const bound = time === null ? null : timestamp(time);
  return bound === null ? since(60) : `time > ${bound}`;
}

async function countNewer(time: string, filters: Filter[], text: string, signal: AbortSignal): Promise<number> {
  const conditions = [after(time), ...whereConditions(filters, text)];
  const rows = await sql(`SELECT count(*) AS requests FROM requests WHERE ${conditions.join(' AND ')}`, { signal });
  return Number(rows[0]?.requests ?? 0);
}
