// The light in the top bar: green when nothing is lost; a click says why it is not.
import { go } from '../state/location';
import { rangeLabel } from '../state/range';
import { hooksQuery, lostQuery, verdict, type Light } from '../state/quality';
import type { View } from '../state/url';
import { useSql } from '../state/use-sql';
import { Popover } from './popover';

const EVERY_MS = 10_000;
const REASONS_MAX = 8;

const SIGN: Record<Light, string> = { good: '●', warn: '▲', bad: '■', off: '○' };

export function QualityLight({ view }: { view: View }) {
  const lost = useSql(lostQuery(view.range, view.filters), EVERY_MS);
  const hooks = useSql(hooksQuery(view.filters), EVERY_MS);
  const problem = lost.problem ?? hooks.problem;
  const known = lost.rows !== null && hooks.rows !== null;
  const said =
    problem !== null
      ? { light: 'bad' as Light, title: problem.status === 0 ? 'No answer' : 'Not known', reasons: [problem.message, problem.hint ?? ''].filter((text) => text !== '') }
      : known
        ? verdict(lost.rows ?? [], hooks.rows ?? [])
        : { light: 'off' as Light, title: 'Asking', reasons: [] };
  return (
    <Popover
      label={
        <>
          <span className={`light ${said.light}`}>{SIGN[said.light]}</span>
          <span className="light-text">{said.title}</span>
        </>
      }
      title={`Data quality: ${said.title}`}
      className="button bare"
      align="right"
    >
      {(close) => (
        <div className="light-panel">
          <h2>
            <span className={`light ${said.light}`}>{SIGN[said.light]}</span> {said.title}
          </h2>
          <ul>
            {said.reasons.slice(0, REASONS_MAX).map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
            {said.reasons.length > REASONS_MAX && <li className="quiet">and {said.reasons.length - REASONS_MAX} more</li>}
          </ul>
          <p className="quiet">Losses of {view.range.kind === 'live' ? 'the last 5 min' : rangeLabel(view.range)}, hooks as they are now.</p>
          <button
            type="button"
            className="button"
            onClick={() => {
              go({ page: 'quality', open: null, tab: null });
              close();
            }}
          >
            Open Data quality
          </button>
        </div>
      )}
    </Popover>
  );
}
