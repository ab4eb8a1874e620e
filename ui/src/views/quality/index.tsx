// Data quality: what is seen, what is not and why.
import type { Row } from '../../api/types';
import { bytes, count, duration, plain } from '../../parts/format';
import { Empty, ProblemNote, Time, Unknown } from '../../parts/small';
import { hooksQuery, isMissing, lostQuery, onPurpose, plural, verdict, words, type Light } from '../../state/quality';
import { rangeLabel } from '../../state/range';
import type { View } from '../../state/url';
import { useSql } from '../../state/use-sql';

const EVERY_MS = 5000;
const TONE: Record<Light, string> = { good: 'good', warn: 'warn', bad: 'bad', off: 'quiet' };
const SIGN: Record<Light, string> = { good: '●', warn: '▲', bad: '■', off: '○' };

export function QualityView({ view }: { view: View }) {
  const every = view.range.kind === 'live' ? EVERY_MS : null;
  const lost = useSql(lostQuery(view.range, view.filters), every);
  const hooks = useSql(hooksQuery(view.filters), every);
  const problem = lost.problem ?? hooks.problem;
  const span = view.range.kind === 'live' ? 'the last 5 min' : rangeLabel(view.range);
  return (
    <main className="quality">
      {problem !== null && <ProblemNote problem={problem} again={lost.again} />}
      {lost.rows !== null && hooks.rows !== null && <Summary lost={lost.rows} hooks={hooks.rows} />}
      <section className={lost.loading ? 'dimmed' : ''}>
        <h2>Lost in {span}</h2>
        <p className="quiet">Seen = stored + left out on purpose + lost. Each loss is counted once, in the unit of the stage where it happened.</p>
        {lost.rows !== null && <Lost rows={lost.rows.filter((row) => !onPurpose(row.reason))} counted="Lost" none="Nothing was lost." />}
      </section>
      <section className={lost.loading ? 'dimmed' : ''}>
        <h2>Left out on purpose, or grown old</h2>
        {lost.rows !== null && <Lost rows={lost.rows.filter((row) => onPurpose(row.reason))} counted="Counted" none="Nothing was left out." />}
      </section>
      <section className={hooks.loading ? 'dimmed' : ''}>
        <h2>Hooks in the kernel</h2>
        <p className="quiet">The newest word of each. Hits and run time count since the hook was attached.</p>
        {hooks.rows !== null && <Hooks rows={hooks.rows} />}
      </section>
    </main>
  );
}

function Summary({ lost, hooks }: { lost: Row[]; hooks: Row[] }) {
  const said = verdict(lost, hooks);
  return (
    <div className={`summary ${said.light}`}>
      <span className={`light ${said.light}`}>{SIGN[said.light]}</span>
      <strong className={TONE[said.light]}>{said.title}</strong>
      {(said.light === 'good' || said.light === 'off') && <span className="quiet">{said.reasons[0]}</span>}
    </div>
  );
}

function Lost({ rows, counted, none }: { rows: Row[]; counted: string; none: string }) {
  if (rows.length === 0) return <p className="quiet">{none}</p>;
  return (
    <table className="plain narrow">
      <thead>
        <tr>
          <th>Stage</th>
          <th>Reason</th>
          <th className="right">{counted}</th>
          <th className="right">Bytes</th>
          <th>Newest</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const events = row.events as number | null;
          return (
            <tr key={`${row.stage} ${row.reason} ${row.unit}`}>
              <td>{words(row.stage)}</td>
              <td>{words(row.reason)}</td>
              <td className="right">
                {count(events)} <span className="quiet">{plural(String(row.unit ?? 'event'), Number(events))}</span>
              </td>
              <td className="right" title={count(row.bytes as number | null)}>
                {row.bytes === null || row.bytes === undefined ? <Unknown /> : bytes(row.bytes as number)}
              </td>
              <td>
                <Time at={row.newest} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Hooks({ rows }: { rows: Row[] }) {
  if (rows.length === 0) {
    return (
      <Empty title="No hooks">
        <p>
          This earshot captures nothing itself: it was started with <code>--no-probes</code>, or serves a replay. Started with <code>earshot run</code> and the
          privileges that <code>earshot doctor</code> names, it lists its hooks here.
        </p>
      </Empty>
    );
  }
  return (
    <table className="plain">
      <thead>
        <tr>
          <th>State</th>
          <th>Hook</th>
          <th>Target</th>
          <th className="right">Hits</th>
          <th className="right">Run time</th>
          <th className="right">Per hit</th>
          <th>Why</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const hits = typeof row.hits === 'number' ? row.hits : null;
          const time = typeof row.run_time_ns === 'number' ? row.run_time_ns : null;
          return (
            <tr key={`${row.host} ${row.hook} ${row.target}`}>
              <td className="nowrap">
                <State row={row} />
              </td>
              <td className="mono">{plain(row.hook)}</td>
              <td className="mono">{plain(row.target)}</td>
              <td className="right">{count(hits)}</td>
              <td className="right">{duration(time)}</td>
              <td className="right">{duration(time === null || hits === null || hits === 0 ? null : time / hits)}</td>
              <td>{plain(row.reason)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function State({ row }: { row: Row }) {
  if (row.attached === true) return <span className="good">● attached</span>;
  if (isMissing(row)) return <span className="warn">▲ not attached</span>;
  return <span className="quiet">○ {row.state === 'off' ? 'off until asked for' : 'not needed'}</span>;
}
