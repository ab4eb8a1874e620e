// The tables and their columns: what can be asked about.
import { useState } from 'react';
import type { Problem, Table } from '../../api/types';
import { ChevronIcon } from '../../parts/icons';
import { ProblemNote } from '../../parts/small';
import { identifier } from '../../state/sql-text';

interface Props {
  tables: Table[] | null;
  problem: Problem | null;
  onInsert: (text: string) => void;
  onQuery: (query: string) => void;
}

const TYPES: Record<string, string> = { VARCHAR: 'text', BIGINT: 'int', INT: 'int', BOOLEAN: 'bool', TIMESTAMP: 'time' };

export function Catalogue({ tables, problem, onInsert, onQuery }: Props) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const words = search.trim().toLowerCase();
  const toggle = (name: string) => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  const matches = (text: string) => text.toLowerCase().includes(words);
  return (
    <aside className="catalogue" aria-label="Catalogue">
      <input type="search" placeholder="Find a table or column" aria-label="Find a table or column" value={search} onChange={(event) => setSearch(event.target.value)} />
      {problem !== null && <ProblemNote problem={problem} />}
      {tables === null && problem === null && <p className="quiet">Loading…</p>}
      <ul>
        {(tables ?? []).map((table) => {
          const whole = words === '' || matches(table.name);
          const columns = whole ? table.columns : table.columns.filter((column) => matches(column.name) || matches(column.meaning));
          if (!whole && columns.length === 0) return null;
          const shown = open.has(table.name) || (words !== '' && !whole);
          return (
            <li key={table.name}>
              <div className="catalogue-table">
                <button type="button" className={`twist${shown ? ' open' : ''}`} aria-expanded={shown} aria-label={`Columns of ${table.name}`} onClick={() => toggle(table.name)}>
                  <ChevronIcon />
                </button>
                <button type="button" className="name cut" title={`${table.about}\nClick puts the name into the query`} onClick={() => onInsert(identifier(table.name))}>
                  {table.name}
                </button>
                <button
                  type="button"
                  className="link peek"
                  title={`The newest rows of ${table.name}`}
                  onClick={() => onQuery(`SELECT *\nFROM ${identifier(table.name)}\n${table.columns.some((column) => column.name === 'time') ? 'ORDER BY time DESC\n' : ''}LIMIT 100`)}
                >
                  rows
                </button>
              </div>
              {shown && (
                <ul>
                  {columns.map((column) => (
                    <li key={column.name}>
                      <button type="button" className="catalogue-column" title={`${column.name} ${column.type}${column.unit === null ? '' : `, ${column.unit}`}\n${column.meaning}`} onClick={() => onInsert(identifier(column.name))}>
                        <span className="cut">{column.name}</span>
                        <span className="type">{column.unit ?? TYPES[column.type] ?? column.type.toLowerCase()}</span>
                      </button>
                    </li>
                  ))}
                </ul>
              )}
            </li>
          );
        })}
      </ul>
      {tables !== null && tables.length === 0 && <p className="quiet">The server lists no tables.</p>}
    </aside>
  );
}
