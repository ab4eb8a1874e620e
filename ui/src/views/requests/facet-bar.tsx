// Counts by facet. Click narrows, alt-click excludes, a second click widens again.
import type { MouseEvent } from 'react';
import { count, shortCount } from '../../parts/format';
import { useSql } from '../../state/use-sql';
import { has, SUBJECTS, type Filter } from '../../state/filters';
import type { Range } from '../../state/range';
import { facetLabel, facetQuery, FACETS, readFacets } from './facets';

const EVERY_MS = 5000;

interface Props {
  range: Range;
  filters: Filter[];
  text: string;
  narrow: (name: string, value: string, exclude: boolean) => void;
}

export function FacetBar({ range, filters, text, narrow }: Props) {
  const answer = useSql(facetQuery(range, filters, text), range.kind === 'live' ? EVERY_MS : null);
  if (answer.rows === null) return <aside className="facets" aria-label="Facets" />;
  const facets = readFacets(answer.rows, filters);
  return (
    <aside className={`facets${answer.loading ? ' dimmed' : ''}`} aria-label="Facets">
      {FACETS.map((name) => {
        const values = facets.get(name) ?? [];
        if (values.length === 0) return null;
        const most = Math.max(1, ...values.map((value) => value.requests));
        return (
          <section key={name}>
            <h2>{SUBJECTS[name]?.label}</h2>
            {values.map(({ value, requests }) => {
              const chosen = has(filters, name, value, false);
              const excluded = has(filters, name, value, true);
              const bad = (name === 'failed' && value === 'true') || value === '5xx';
              return (
                <button
                  key={value}
                  type="button"
                  className={`facet${chosen ? ' chosen' : ''}${excluded ? ' excluded' : ''}`}
                  aria-pressed={chosen || excluded}
                  title={`${facetLabel(name, value)}: ${count(requests)} requests. Click narrows, Alt-click excludes.`}
                  onClick={(event: MouseEvent) => narrow(name, value, excluded || event.altKey)}
                >
                  <i className="facet-bar" style={{ width: `${(100 * requests) / most}%` }} />
                  {name === 'protocol' && value !== '' && <i className="swatch" data-protocol={value.replace(/\d+$/, '').toLowerCase()} />}
                  <span className={`cut${value === '' ? ' unknown' : bad ? ' bad' : ''}`}>{facetLabel(name, value)}</span>
                  <span className="facet-count">{shortCount(requests)}</span>
                </button>
              );
            })}
          </section>
        );
      })}
    </aside>
  );
}
