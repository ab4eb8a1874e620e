// What the scope can be narrowed to: hosts, namespaces, services and pods that have requests in the range.
import { SCOPE, SUBJECTS } from '../state/filters';
import { rangeConditions } from '../state/range';
import { quote } from '../state/sql-text';
import type { View } from '../state/url';
import { useSql } from '../state/use-sql';
import { shortCount } from './format';
import { ProblemNote } from './small';

const VALUES_MAX = 30;

interface Props {
  view: View;
  choose: (name: string, value: string, exclude: boolean) => void;
}

export function ScopePicker({ view, choose }: Props) {
  const where = [...rangeConditions(view.range), ''].join(' AND ');
  const query = SCOPE.map((name) => {
    const column = (SUBJECTS[name] as { sql: string }).sql;
    return (
      `SELECT * FROM (SELECT ${quote(name)} AS facet, CAST(${column} AS VARCHAR) AS value, count(*) AS requests FROM requests ` +
      `WHERE ${where}${column} IS NOT NULL GROUP BY ${column} ORDER BY requests DESC LIMIT ${VALUES_MAX})`
    );
  }).join(' UNION ALL ');
  const { rows, problem } = useSql(query);
  if (problem !== null) return <ProblemNote problem={problem} />;
  if (rows === null) return <p className="quiet">Loading…</p>;
  const sorted = [...rows].sort((a, b) => Number(b.requests) - Number(a.requests));
  return (
    <div className="scope-picker">
      {SCOPE.map((name) => {
        const values = sorted.filter((row) => row.facet === name);
        return (
          <section key={name}>
            <h2>{SUBJECTS[name]?.label}</h2>
            {values.length === 0 && <p className="quiet">none seen{name === 'namespace' || name === 'pod' ? ' (no Kubernetes here)' : ''}</p>}
            {values.map((row) => (
              <button
                key={String(row.value)}
                type="button"
                className="facet"
                title="Click narrows, Alt-click excludes"
                onClick={(event) => choose(name, String(row.value), event.altKey)}
              >
                <span className="cut">{String(row.value)}</span>
                <span className="facet-count">{shortCount(Number(row.requests))}</span>
              </button>
            ))}
          </section>
        );
      })}
    </div>
  );
}
