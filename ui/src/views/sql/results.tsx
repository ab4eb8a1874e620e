// The rows of a query in a virtual table, with what can be said about them.
import { getCoreRowModel, getSortedRowModel, useReactTable, type ColumnDef, type SortingState } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { Row, Table, Value } from '../../api/types';
import { Body } from '../../parts/body';
import { csv, download } from '../../parts/csv';
import { count, duration, plain } from '../../parts/format';
import { CloseIcon } from '../../parts/icons';
import { Copy, Empty, ProblemNote } from '../../parts/small';
import { guessKind, isRight, show, type Kind } from '../../parts/value';
import { compareValues, widthOf } from './columns';
import { ROWS_MAX, type RunState } from './use-run';

const ROW_PX = 24;
/** Rows looked at to tell a column's kind and width. */
const SAMPLE_ROWS = 200;

interface Shown {
  name: string;
  kind: Kind;
  width: number;
  about: string | undefined;
}

interface Cell {
  column: string;
  row: number;
}

export function Results({ state, tables, children }: { state: RunState; tables: Table[] | null; children: ReactNode }) {
  const { rows, columns: names, running, problem } = state;
  const shown = useMemo<Shown[]>(() => {
    const sample = rows.slice(0, SAMPLE_ROWS);
    return names.map((name) => {
      const values = sample.map((row) => row[name]);
      const kind = guessKind(name, values);
      return { name, kind, width: widthOf(name, kind, values), about: meaning(name, tables) };
    });
  }, [names, rows, tables]);
  return (
    <section className="results" aria-label="Results">
      <div className="bar">
        {children}
        <span className="spring" />
        <Said state={state} />
        {rows.length > 0 && (
          <button type="button" className="button" title="The rows below as a CSV file" onClick={() => download('earshot.csv', 'text/csv', csv(names, rows))}>
            Download CSV
          </button>
        )}
      </div>
      {problem !== null && <ProblemNote problem={problem} />}
      {rows.length === 0 && !running && problem === null && <Nothing state={state} />}
      {rows.length > 0 && <Grid key={names.join(' ')} rows={rows} shown={shown} dimmed={running && state.tookMs === null} />}
    </section>
  );
}

function Nothing({ state }: { state: RunState }) {
  if (state.done && !state.cancelled) {
    return (
      <Empty title="No rows">
        <p>The query ran and found nothing. A shorter WHERE, or a longer time, finds more.</p>
      </Empty>
    );
  }
  return (
    <Empty title="Results show here">
      <p>Run the query, or choose one of the examples. Queries only read; nothing can be changed from here.</p>
    </Empty>
  );
}

function Said({ state }: { state: RunState }) {
  const { rows, running, tookMs, cancelled, stopped, problem } = state;
  const took = tookMs === null ? '' : ` in ${duration(Math.round(tookMs) * 1e6)}`;
  if (running) return <span role="status">Running… {tookMs !== null && `${count(rows.length)} rows`}</span>;
  if (cancelled) return <span role="status" className="warn">Cancelled{rows.length > 0 && `; showing ${count(rows.length)} rows`}</span>;
  if (tookMs === null) return null;
  if (problem !== null && rows.length === 0) return <span role="status" className="bad">✕ failed <span className="quiet">{took}</span></span>;
  return (
    <span role="status" className={problem === null ? '' : 'warn'}>
      <strong>{count(rows.length)}</strong> {rows.length === 1 ? 'row' : 'rows'}
      <span className="quiet">{took}</span>
      {problem !== null && rows.length > 0 && ' before the error'}
      {stopped && <span className="warn"> · stopped at {count(ROWS_MAX)} rows: narrow the query, or use earshot sql for all of them</span>}
    </span>
  );
}

function meaning(name: string, tables: Table[] | null): string | undefined {
  for (const table of tables ?? []) {
    const column = table.columns.find((held) => held.name === name);
    if (column !== undefined) return column.meaning;
  }
  return undefined;
}

function Grid({ rows, shown, dimmed }: { rows: Row[]; shown: Shown[]; dimmed: boolean }) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const [cell, setCell] = useState<Cell | null>(null);
  const columns = useMemo<ColumnDef<Row>[]>(
    () =>
      shown.map((column) => ({
        id: column.name,
        accessorFn: (row) => row[column.name],
        sortingFn: (a, b, id) => compareValues(a.getValue<Value>(id), b.getValue<Value>(id)),
        sortUndefined: false,
      })),
    [shown],
  );
  const table = useReactTable({ data: rows, columns, state: { sorting }, onSortingChange: setSorting, getCoreRowModel: getCoreRowModel(), getSortedRowModel: getSortedRowModel() });
  const model = table.getRowModel().rows;
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: model.length, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 12 });
  const template = `56px ${shown.map((column, index) => (index === shown.length - 1 ? `minmax(${column.width}px, 1fr)` : `${column.width}px`)).join(' ')}`;
  const width = shown.reduce((sum, column) => sum + column.width, 56);

  useEffect(() => {
    if (cell !== null) virtual.scrollToIndex(cell.row);
  }, [cell]);
  const move = (event: React.KeyboardEvent) => {
    const step = event.key === 'j' || event.key === 'ArrowDown' ? 1 : event.key === 'k' || event.key === 'ArrowUp' ? -1 : 0;
    const side = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (event.key === 'Escape') setCell(null);
    if (step === 0 && side === 0) return;
    event.preventDefault();
    const at = cell === null ? 0 : shown.findIndex((column) => column.name === cell.column);
    const column = shown[Math.min(shown.length - 1, Math.max(0, at + side))]?.name ?? '';
    setCell({ column, row: Math.min(model.length - 1, Math.max(0, (cell?.row ?? -1) + step)) });
  };
  const chosen = cell === null ? undefined : model[cell.row]?.original[cell.column];
  return (
    <div className="results-box">
      <div className={`list grid${dimmed ? ' dimmed' : ''}`} ref={box} role="grid" aria-rowcount={rows.length} tabIndex={0} aria-label="Rows" onKeyDown={move}>
        <div className="list-head" role="row" style={{ gridTemplateColumns: template, minWidth: width }}>
          <div role="columnheader" className="right quiet">#</div>
          {shown.map((column) => {
            const sorted = table.getColumn(column.name)?.getIsSorted() ?? false;
            return (
              <div key={column.name} role="columnheader" aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none'} className={isRight(column.kind) ? 'right' : ''}>
                <button type="button" className="cut" title={`${column.name}${column.about === undefined ? '' : `\n${column.about}`}\nClick sorts these rows`} onClick={() => table.getColumn(column.name)?.toggleSorting()}>
                  {column.name}
                  {sorted === 'asc' ? ' ↑' : sorted === 'desc' ? ' ↓' : ''}
                </button>
              </div>
            );
          })}
        </div>
        <div className="list-body" role="rowgroup" style={{ height: virtual.getTotalSize(), minWidth: width }}>
          {virtual.getVirtualItems().map((item) => {
            const row = model[item.index]?.original;
            if (row === undefined) return null;
            return (
              <div key={item.key} role="row" aria-rowindex={item.index + 1} className="list-row" style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}>
                <div role="rowheader" className="right quiet">{item.index + 1}</div>
                {shown.map((column) => {
                  const said = show(column.name, column.kind, row[column.name]);
                  const here = cell !== null && cell.row === item.index && cell.column === column.name;
                  return (
                    <div
                      key={column.name}
                      role="gridcell"
                      aria-selected={here}
                      className={`${said.right ? 'right' : ''}${said.unknown ? ' unknown' : ''}${here ? ' chosen' : ''}`}
                      title={said.exact}
                      onClick={() => setCell({ column: column.name, row: item.index })}
                    >
                      <span className="cut">{said.text.slice(0, 300)}</span>
                    </div>
                  );
                })}
              </div>
            );
          })}
        </div>
      </div>
      {cell !== null && (
        <aside className="cell-value" aria-label="Value">
          <header>
            <strong className="mono">{cell.column}</strong> <span className="quiet">row {count(cell.row + 1)}</span>
            <span className="spring" />
            <Copy label="Copy" text={() => (chosen === null || chosen === undefined ? '' : plain(chosen))} />
            <button type="button" className="button bare" aria-label="Close" onClick={() => setCell(null)}>
              <CloseIcon />
            </button>
          </header>
          <Body text={chosen ?? null} size={null} truncated={false} absent="Unknown (null)." />
        </aside>
      )}
    </div>
  );
}
