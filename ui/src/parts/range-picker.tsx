// Live, the last minutes, everything, or from–to.
import { useState } from 'react';
import { go } from '../state/location';
import { writeRange, type Range } from '../state/range';
import { localTime } from './format';
import { Popover } from './popover';

const CHOICES: { label: string; range: Range; title: string }[] = [
  { label: 'Live', range: { kind: 'live' }, title: 'The last 5 minutes, moving' },
  { label: '5 m', range: { kind: 'last', minutes: 5 }, title: 'The last 5 minutes, standing still' },
  { label: '15 m', range: { kind: 'last', minutes: 15 }, title: 'The last 15 minutes' },
  { label: '1 h', range: { kind: 'last', minutes: 60 }, title: 'The last hour' },
  { label: 'All', range: { kind: 'all' }, title: 'Everything stored' },
];

export function RangePicker({ range }: { range: Range }) {
  const now = writeRange(range);
  const listed = CHOICES.some((choice) => writeRange(choice.range) === now);
  const label = listed ? 'Custom' : range.kind === 'custom' ? `${localTime(range.from).slice(0, -4)} – ${localTime(range.to).slice(0, -4)}` : now;
  return (
    <div className="ranges" role="group" aria-label="Time range">
      {CHOICES.map((choice) => (
        <button
          key={choice.label}
          type="button"
          title={choice.title}
          aria-pressed={writeRange(choice.range) === now}
          onClick={() => go({ range: choice.range, open: null })}
        >
          {choice.range.kind === 'live' && <i className="live-dot" />}
          {choice.label}
        </button>
      ))}
      <Popover label={label} title={`Time from and to${listed ? '' : `, now ${label}`}`} className={listed ? 'custom' : 'custom chosen'} align="right">
        {(close) => <CustomRange range={range} close={close} />}
      </Popover>
    </div>
  );
}

const pad = (part: number) => String(part).padStart(2, '0');

/** A time as `datetime-local` wants it. */
export function toLocalInput(date: Date): string {
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

const HALF_HOUR_MS = 30 * 60 * 1000;

function CustomRange({ range, close }: { range: Range; close: () => void }) {
  const begin = range.kind === 'custom' ? new Date(range.from) : new Date(Date.now() - HALF_HOUR_MS);
  const end = range.kind === 'custom' ? new Date(range.to) : new Date();
  const [from, setFrom] = useState(toLocalInput(begin));
  const [to, setTo] = useState(toLocalInput(end));
  const wrong = !(Date.parse(from) < Date.parse(to));
  return (
    <form
      className="custom-range"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong) return;
        go({ range: { kind: 'custom', from: new Date(from).toISOString(), to: new Date(to).toISOString() }, open: null });
        close();
      }}
    >
      <label>
        From <input type="datetime-local" step="1" value={from} onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label>
        To <input type="datetime-local" step="1" value={to} onChange={(event) => setTo(event.target.value)} />
      </label>
      <p className="quiet">Local time, {Intl.DateTimeFormat().resolvedOptions().timeZone}</p>
      {wrong && <p className="bad">The end must be after the beginning.</p>}
      <button type="submit" className="button main" disabled={wrong}>
        Show
      </button>
    </form>
  );
}
