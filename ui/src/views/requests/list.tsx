// The virtual list of requests: newest first, keyboard and pointer.
import { createColumnHelper, flexRender, getCoreRowModel, useReactTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, type MouseEvent, type ReactNode, type RefObject } from 'react';
import type { Row, Value } from '../../api/types';
import { bytes, count, duration } from '../../parts/format';
import { LockIcon } from '../../parts/icons';
import { Protocol, Time, Unknown } from '../../parts/small';
import { ends, type End } from './rows';

const ROW_PX = 24;
/** Rows from the end at which older ones are asked for. */
const OLDER_MARGIN_ROWS = 40;

export type Narrow = (name: string, value: string, exclude: boolean) => void;

/** Columns that make room while the drawer is open: it says them. */
const BESIDE_DRAWER = { response_bytes: false, server: false, client: false };
const WIDTHS_BESIDE_DRAWER: Record<string, number> = { protocol: 32, operation: 82, status: 92 };

interface Props {
  rows: Row[];
  keys: string[];
  cursor: string | null;
  open: string | null;
  complete: boolean;
  narrow: Narrow;
  onOpen: (key: string) => void;
  onScrolled: (scrolled: boolean) => void;
  onHover: (inside: boolean) => void;
  loadOlder: () => void;
  /** Changes when the list must go back to its top. */
  topTurn: number;
  /** Is told the first row in sight. */
  firstInSight: RefObject<number>;
}

const text = (value: Value | undefined): string | null => (value === null || value === undefined ? null : String(value));

/** A cell whose click narrows to its value. */
function Narrowing({ name, value, narrow, className, children }: { name: string; value: string | null; narrow: Narrow; className?: string; children?: ReactNode }) {
  if (value === null) return <Unknown />;
  const click = (event: MouseEvent) => {
    event.stopPropagation();
    narrow(name, value, event.altKey);
  };
  return (
    <button type="button" tabIndex={-1} className={`cell-link cut ${className ?? ''}`} title={`${value}\nClick narrows, Alt-click excludes`} onClick={click}>
      {children ?? value}
    </button>
  );
}

function EndCell({ end, narrow }: { end: End; narrow: Narrow }) {
  if (end.text === null) return <Unknown />;
  if (end.subject === null || end.subject === 'remote') return <span className="cut quiet" title={end.address}>{end.text}</span>;
  return (
    <Narrowing name={end.subject} value={end.text} narrow={narrow}>
      {end.text}
      {typeof end.pid === 'number' && <span className="quiet"> {end.pid}</span>}
    </Narrowing>
  );
}

export function statusTone(row: Row): string {
  if (row.failed === true) return 'bad';
  if (typeof row.status === 'string' && /^4\d\d$/.test(row.status)) return 'warn';
  return '';
}

const latencyLevel = (ns: Value | undefined): string => {
  if (typeof ns !== 'number') return '';
  return ns >= 1e9 ? 'slow-3' : ns >= 1e8 ? 'slow-2' : ns >= 1e7 ? 'slow-1' : '';
};

const helper = createColumnHelper<Row>();

function columnsFor(narrow: Narrow) {
  return [
    helper.accessor('time', { header: 'Time', size: 104, cell: (cell) => <Time at={cell.getValue()} /> }),
    helper.accessor('protocol', {
      header: 'Protocol',
      size: 84,
      cell: (cell) => (
        <Narrowing name="protocol" value={text(cell.getValue())} narrow={narrow}>
          <Protocol name={text(cell.getValue())} />
        </Narrowing>
      ),
    }),
    helper.accessor('operation', {
      header: 'Operation',
      size: 88,
      cell: (cell) => <Narrowing name="operation" value={text(cell.getValue())} narrow={narrow} className="strong" />,
    }),
    helper.accessor('target', {
      header: 'Target',
      size: 1,
      cell: (cell) => {
        const row = cell.row.original;
        return (
          <>
            <span className="cut mono" title={text(cell.getValue()) ?? undefined}>{text(cell.getValue()) ?? <Unknown />}</span>
            {row.encrypted === true && <span className="lock" title="encrypted on the wire"><LockIcon /></span>}
            {row.gap_before === true && <span className="mark" title="bytes before this message were not seen">gap</span>}
            {row.truncated === true && <span className="mark" title="text or body cut">cut</span>}
            {row.broken === true && <span className="mark" title="the connection ended before the response was whole">broken off</span>}
          </>
        );
      },
    }),
    helper.accessor('status', {
      header: 'Status',
      size: 104,
      cell: (cell) => {
        const tone = statusTone(cell.row.original);
        const value = text(cell.getValue());
        if (value === null && tone === 'bad') return <span className="bad">✕ none</span>;
        return (
          <Narrowing name="status" value={value} narrow={narrow} className={tone}>
            {tone === 'bad' && '✕ '}
            {value}
          </Narrowing>
        );
      },
    }),
    helper.accessor('latency_ns', {
      header: 'Latency',
      size: 76,
      meta: 'right',
      cell: (cell) => {
        const value = cell.getValue();
        if (typeof value !== 'number') return <Unknown />;
        return <span className={latencyLevel(value)} title={`${count(value)} ns`}>{duration(value)}</span>;
      },
    }),
    helper.accessor('response_bytes', {
      header: 'Bytes ↑↓',
      size: 124,
      meta: 'right',
      cell: (cell) => {
        const row = cell.row.original;
        const sent = row.request_bytes as number | null | undefined;
        const got = row.response_bytes as number | null | undefined;
        return (
          <span title={`request ${count(sent)} bytes, response ${count(got)} bytes`}>
            <span className="quiet">{bytes(sent)} · </span>
            {bytes(got)}
          </span>
        );
      },
    }),
    helper.display({ id: 'server', header: 'Server', size: 0.42, cell: (cell) => <EndCell end={ends(cell.row.original).server} narrow={narrow} /> }),
    helper.display({ id: 'client', header: 'Client', size: 0.42, cell: (cell) => <EndCell end={ends(cell.row.original).client} narrow={narrow} /> }),
  ];
}

export function RequestList(props: Props) {
  const { rows, keys, cursor, open, complete, narrow, onOpen, onScrolled, onHover, loadOlder, topTurn, firstInSight } = props;
  const box = useRef<HTMLDivElement>(null);
  const columns = useMemo(() => columnsFor(narrow), [narrow]);
  const indexOf = useMemo(() => new Map(keys.map((key, index) => [key, index])), [keys]);
  const table = useReactTable({ data: rows, columns, state: { columnVisibility: open === null ? {} : BESIDE_DRAWER }, getCoreRowModel: getCoreRowModel(), getRowId: (_row, index) => keys[index] ?? String(index) });
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => keys[index] ?? index,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;

  useEffect(() => {
    if (!complete && rows.length > 0 && last >= rows.length - OLDER_MARGIN_ROWS) loadOlder();
  }, [last, rows.length, complete, loadOlder]);
  useEffect(() => {
    box.current?.scrollTo({ top: 0 });
  }, [topTurn]);
  useEffect(
    () => () => {
      // A list that is gone is neither scrolled nor under the pointer.
      firstInSight.current = 0;
      onScrolled(false);
      onHover(false);
    },
    [firstInSight, onScrolled, onHover],
  );
  useEffect(() => {
    const index = cursor === null ? undefined : indexOf.get(cursor);
    if (index !== undefined) virtual.scrollToIndex(index);
    // Only when the cursor moves, not when rows arrive.
  }, [cursor]);

  const template = table
    .getVisibleLeafColumns()
    .map((column) => {
      const width = (open === null ? undefined : WIDTHS_BESIDE_DRAWER[column.id]) ?? column.columnDef.size ?? 0;
      // Below 1 a width is a share of what is left.
      return width <= 1 ? `minmax(88px, ${width}fr)` : `${width}px`;
    })
    .join(' ');
  return (
    <div
      className="list"
      ref={box}
      role="grid"
      aria-rowcount={rows.length}
      aria-label="Requests, newest first"
      onScroll={(event) => {
        firstInSight.current = Math.ceil(event.currentTarget.scrollTop / ROW_PX);
        onScrolled(event.currentTarget.scrollTop > 0);
      }}
      onPointerEnter={() => onHover(true)}
      onPointerLeave={() => onHover(false)}
    >
      <div className="list-head" role="row" style={{ gridTemplateColumns: template }}>
        {table.getFlatHeaders().map((header) => (
          <div key={header.id} role="columnheader" className={header.column.columnDef.meta === 'right' ? 'right' : ''}>
            {flexRender(header.column.columnDef.header, header.getContext())}
          </div>
        ))}
      </div>
      <div className="list-body" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = model[item.index];
          const key = keys[item.index];
          if (row === undefined || key === undefined) return null;
          const classes = ['list-row'];
          if (row.original.failed === true) classes.push('failed');
          if (key === cursor) classes.push('cursor');
          if (key === open) classes.push('open');
          return (
            <div
              key={item.key}
              role="row"
              aria-rowindex={item.index + 1}
              aria-selected={key === cursor || key === open}
              className={classes.join(' ')}
              style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
              onClick={() => onOpen(key)}
            >
              {row.getVisibleCells().map((cell) => (
                <div key={cell.id} role="gridcell" className={cell.column.columnDef.meta === 'right' ? 'right' : ''}>
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
