// One request whole: loaded from its protocol's own table.
import { useMemo } from 'react';
import { Problem, type Row, type Table } from '../../api/types';
import { duration, plain } from '../../parts/format';
import { CloseIcon } from '../../parts/icons';
import { Copy, Empty, ProblemNote, Protocol, Time } from '../../parts/small';
import { go } from '../../state/location';
import { useTables } from '../../state/tables';
import { useSql } from '../../state/use-sql';
import { Connection, Timing, Trace } from './around';
import { curl } from './curl';
import { statusTone, type Narrow } from './list';
import { Message } from './message';
import { counterpart, pick, rowQuery, tableOf } from './row-query';
import { readKey } from './rows';

const TABS = ['Request', 'Response', 'Timing', 'Connection', 'Trace'];

interface Props {
  name: string;
  tab: string | null;
  narrow: Narrow;
  onClose: () => void;
  onOpen: (key: string) => void;
}

export function Drawer({ name, tab, narrow, onClose, onOpen }: Props) {
  const key = useMemo(() => readKey(name), [name]);
  const { tables } = useTables();
  const tableName = key === null || tables === null ? null : (tableOf(key.protocol, tables) ?? 'requests');
  const query = key === null || tableName === null ? null : rowQuery(tableName, key);
  const general = useSql(key === null ? null : rowQuery('requests', key));
  const own = useSql(query);
  const shown = TABS.find((known) => known.toLowerCase() === tab) ?? 'Request';
  const problem = own.problem ?? general.problem;
  const all = general.rows === null || key === null ? [] : general.rows.filter((row) => row.protocol === key.protocol);
  const inView = key === null ? null : pick(all, key);
  // Only both together tell which row of a pipeline it is.
  const full = own.rows === null || general.rows === null ? null : counterpart(inView, all, own.rows);
  const row: Row | null = full === null ? inView : { ...inView, ...full };
  const missing = general.rows !== null && own.rows !== null && row === null;
  return (
    <aside className="drawer" aria-label="Request">
      <header>
        <Head row={row} />
        <button type="button" className="button bare" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <nav className="tabs" role="tablist">
        {TABS.map((label) => (
          <button key={label} type="button" role="tab" aria-selected={label === shown} onClick={() => go({ tab: label.toLowerCase() }, true)}>
            {label}
          </button>
        ))}
        <span className="spring" />
        {row !== null && ('req_method' in row || tableName === 'http_events') && <Copy label="curl" title="Copy as a curl command" text={() => curl(row)} />}
        {query !== null && <Copy label="SQL" title="Copy the query for this row" text={() => query} />}
      </nav>
      <div className="drawer-body" role="tabpanel" aria-label={shown}>
        {problem !== null && <ProblemNote problem={problem} again={own.again} />}
        {key === null && <ProblemNote problem={new Problem('this link names no request', 0, name, 'Choose one in the list.')} />}
        {missing && <Empty title="This request is not stored any more">The oldest rows leave the memory first; Data quality counts them.</Empty>}
        {row !== null && <Tab shown={shown} row={row} table={tables?.find((table) => table.name === tableName)} narrow={narrow} name={name} onOpen={onOpen} />}
        {row === null && !missing && problem === null && key !== null && <p className="quiet">Loading…</p>}
      </div>
    </aside>
  );
}

function Head({ row }: { row: Row | null }) {
  if (row === null) return <div className="drawer-head" />;
  return (
    <div className="drawer-head">
      <div className="drawer-title">
        <Protocol name={typeof row.protocol === 'string' ? row.protocol : null} />
        <strong>{plain(row.operation)}</strong>
        <span className="mono cut" title={plain(row.target)}>
          {plain(row.target)}
        </span>
      </div>
      <div className="drawer-facts">
        <span className={statusTone(row)}>{row.status === null || row.status === undefined ? 'no status' : `status ${plain(row.status)}`}</span>
        {row.failed === true && <span className="bad">✕ failed</span>}
        <span>{duration(row.latency_ns as number | null)}</span>
        <span className="quiet">
          <Time at={row.time} />
        </span>
        {row.truncated === true && <span className="mark">cut</span>}
        {row.gap_before === true && <span className="mark">gap</span>}
        {row.broken === true && <span className="mark">broken off</span>}
      </div>
    </div>
  );
}

interface TabProps {
  shown: string;
  row: Row;
  table: Table | undefined;
  narrow: Narrow;
  name: string;
  onOpen: (key: string) => void;
}

function Tab({ shown, row, table, narrow, name, onOpen }: TabProps) {
  switch (shown) {
    case 'Response':
      return <Message row={row} table={table} side="response" />;
    case 'Timing':
      return <Timing row={row} />;
    case 'Connection':
      return <Connection row={row} narrow={narrow} name={name} onOpen={onOpen} />;
    case 'Trace':
      return <Trace row={row} name={name} onOpen={onOpen} />;
    default:
      return <Message row={row} table={table} side="request" />;
  }
}
