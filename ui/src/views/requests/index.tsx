// Requests: what the programs here say to each other, newest first.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Chips } from '../../parts/chips';
import { ago, count } from '../../parts/format';
import { RefreshIcon } from '../../parts/icons';
import { typing, useKeys } from '../../parts/keys';
import { Empty, ProblemNote } from '../../parts/small';
import { add, has, SCOPE, SUBJECTS, without } from '../../state/filters';
import { go } from '../../state/location';
import { rangeLabel, writeRange } from '../../state/range';
import type { View } from '../../state/url';
import { useSql } from '../../state/use-sql';
import { Drawer } from './drawer';
import { FacetBar } from './facet-bar';
import { RequestList } from './list';
import { rowKeys } from './rows';
import { useRequests } from './use-requests';

/** Milliseconds after the last key before the text filters. */
const TYPING_MS = 300;
/** Milliseconds that the list stays paused after the pointer has left it: time to reach the button that shows what is new. */
const LEAVING_MS = 800;

export function RequestsView({ view }: { view: View }) {
  const { range, filters, text, open } = view;
  const { inside: hover, setInside: setHover, leave } = useHover(LEAVING_MS);
  const [scrolled, setScrolled] = useState(false);
  const [cursor, setCursor] = useState<string | null>(open);
  const [topTurn, setTopTurn] = useState(0);
  const firstInSight = useRef(0);
  const live = range.kind === 'live';
  const paused = live && (hover || scrolled || cursor !== null || open !== null);
  const { rows, problem, loading, complete, fresh, loadOlder, again } = useRequests(range, filters, text, paused);
  const keys = useMemo(() => rowKeys(rows ?? []), [rows]);

  // Another question begins at its top.
  const question = `${writeRange(range)} ${JSON.stringify(filters)} ${text}`;
  useEffect(() => setTopTurn((turn) => turn + 1), [question]);

  const narrow = useCallback((name: string, value: string, exclude: boolean) => {
    const now = filters;
    go({ filters: has(now, name, value, exclude) ? without(now, name, value, exclude) : add(now, name, value, exclude) });
  }, [filters]);
  const openRow = useCallback((key: string | null) => {
    setCursor(key);
    go({ open: key, tab: key === null ? null : view.tab }, open !== null && key !== null);
  }, [open, view.tab]);
  const showNew = () => {
    setCursor(null);
    leave();
    setTopTurn((turn) => turn + 1);
    again();
  };

  const search = useRef<HTMLInputElement>(null);
  useKeys((event) => {
    if (event.key === 'Escape') {
      if (open !== null) openRow(null);
      else if (cursor !== null) setCursor(null);
      else return;
      event.preventDefault();
      return;
    }
    if (typing(event)) return;
    const step = event.key === 'j' || event.key === 'ArrowDown' ? 1 : event.key === 'k' || event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && keys.length > 0) {
      event.preventDefault();
      // Enter must open the row, not press the button that was used last.
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
      const at = cursor === null ? -1 : keys.indexOf(cursor);
      const next = keys[Math.min(keys.length - 1, at < 0 ? firstInSight.current : Math.max(0, at + step))] ?? null;
      if (open === null) setCursor(next);
      else openRow(next);
    } else if (event.key === 'Enter' && cursor !== null && !(event.target instanceof HTMLButtonElement)) {
      event.preventDefault();
      openRow(cursor);
    } else if (event.key === '/') {
      event.preventDefault();
      search.current?.focus();
    }
  });

  const own = filters.filter((filter) => !SCOPE.includes(filter.name));
  return (
    <div className={`requests${open === null ? '' : ' with-drawer'}`}>
      <FacetBar range={range} filters={filters} text={text} narrow={narrow} />
      <main className="requests-main">
        <div className="bar">
          <SearchBox text={text} input={search} onTokens={(tokens) => go({ filters: tokens.reduce((list, token) => add(list, token.name, token.value, token.exclude), filters) })} />
          <Chips filters={own} onRemove={(name, value, exclude) => go({ filters: without(filters, name, value, exclude) })} />
          <span className="spring" />
          {paused && fresh > 0 && (
            <button
              type="button"
              className="pill"
              title="Show them"
              onPointerEnter={() => setHover(true)}
              onPointerLeave={() => setHover(false)}
              onClick={showNew}
            >
              ↑ {count(fresh)} new
            </button>
          )}
          <LiveState live={live && problem === null} paused={paused} why={hover ? 'the pointer is on the list' : scrolled ? 'the list is scrolled' : 'a request is chosen'} />
          {!live && (
            <button type="button" className="button bare" title="Ask again" aria-label="Ask again" onClick={again}>
              <RefreshIcon />
            </button>
          )}
        </div>
        {problem !== null && <ProblemNote problem={problem} again={again} />}
        <div className={`list-box${loading && rows !== null ? ' dimmed' : ''}`}>
          {rows !== null && rows.length > 0 && (
            <RequestList
              rows={rows}
              keys={keys}
              cursor={cursor}
              open={open}
              complete={complete}
              narrow={narrow}
              onOpen={openRow}
              onScrolled={setScrolled}
              onHover={setHover}
              loadOlder={loadOlder}
              topTurn={topTurn}
              firstInSight={firstInSight}
            />
          )}
          {rows !== null && rows.length === 0 && !loading && <NoRequests view={view} />}
          {rows === null && problem === null && <p className="note quiet">Loading…</p>}
        </div>
      </main>
      {open !== null && <Drawer key={open} name={open} tab={view.tab} narrow={narrow} onClose={() => openRow(null)} onOpen={openRow} />}
    </div>
  );
}

/** Whether the pointer is inside, or left so lately that it may be on its way back; `leave` does not wait. */
function useHover(lingerMs: number) {
  const [inside, show] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const leave = useCallback(() => {
    clearTimeout(timer.current);
    show(false);
  }, []);
  const setInside = useCallback((now: boolean) => {
    clearTimeout(timer.current);
    if (now) show(true);
    else timer.current = setTimeout(() => show(false), lingerMs);
  }, [lingerMs]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return { inside, setInside, leave };
}

function LiveState({ live, paused, why }: { live: boolean; paused: boolean; why: string }) {
  if (!live) return null;
  return paused ? (
    <span className="live-state quiet" title={`Nothing moves while ${why}.`}>❚❚ paused</span>
  ) : (
    <span className="live-state good" title="New requests appear as they are answered. Hover or scroll to pause.">● live</span>
  );
}

interface Token {
  name: string;
  value: string;
  exclude: boolean;
}

/** `-status:500` and `process:nginx` become chips; the rest stays text. */
export function readTokens(text: string): { tokens: Token[]; rest: string } {
  const tokens: Token[] = [];
  const rest = text.split(/\s+/).filter((word) => {
    const match = /^(-?)([a-z-]+):(.+)$/.exec(word);
    if (match === null || !Object.hasOwn(SUBJECTS, match[2] as string)) return true;
    tokens.push({ name: match[2] as string, value: match[3] as string, exclude: match[1] === '-' });
    return false;
  });
  return { tokens, rest: rest.join(' ') };
}

function SearchBox({ text, input, onTokens }: { text: string; input: React.RefObject<HTMLInputElement | null>; onTokens: (tokens: Token[]) => void }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed.trim() === text || /(^|\s)-?[a-z-]+:\S*$/.test(typed)) return;
    const timer = setTimeout(() => go({ text: typed.trim() }, true), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, text]);
  const enter = () => {
    const { tokens, rest } = readTokens(typed);
    go({ text: rest }, true);
    setTyped(rest);
    if (tokens.length > 0) onTokens(tokens);
  };
  return (
    <input
      ref={input}
      type="search"
      className="search"
      placeholder="Filter: text, or status:404, -process:nginx"
      aria-label="Filter requests"
      title={`Text is looked for in target, operation, status, processes and addresses. name:value and Enter make a chip; names: ${Object.keys(SUBJECTS).join(', ')}. Press / to come here.`}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') enter();
        if (event.key === 'Escape') {
          event.stopPropagation();
          input.current?.blur();
        }
      }}
    />
  );
}

function NoRequests({ view }: { view: View }) {
  const { rows } = useSql('SELECT count(*) AS requests, max(time) AS newest FROM requests');
  const stored = Number(rows?.[0]?.requests ?? 0);
  const newest = rows?.[0]?.newest;
  const narrowed = view.filters.length > 0 || view.text !== '';
  return (
    <Empty title={`No requests in ${view.range.kind === 'live' ? 'the last 5 min' : rangeLabel(view.range)}${narrowed ? ' that match' : ''}`}>
      {stored > 0 && typeof newest === 'string' && (
        <p>
          {count(stored)} are stored, the newest from {ago(newest)}.
        </p>
      )}
      {stored === 0 && rows !== null && (
        <>
          <p>
            Nothing is stored yet. Let a program here talk, for example <code>curl http://127.0.0.1/</code>; its request shows here within a
            second of the response.
          </p>
          <p>If it does not, Data quality says which hooks are attached and why the others are not.</p>
        </>
      )}
      {narrowed && (
        <button type="button" className="button" onClick={() => go({ filters: [], text: '' })}>
          Remove all filters
        </button>
      )}
      {stored > 0 && view.range.kind !== 'all' && (
        <button type="button" className="button" onClick={() => go({ range: { kind: 'all' } })}>
          Show everything stored
        </button>
      )}
      <button type="button" className="button" onClick={() => go({ page: 'quality', open: null })}>
        Data quality
      </button>
    </Empty>
  );
}
