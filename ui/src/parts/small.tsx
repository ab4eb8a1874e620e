// Small pieces that several views show.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { Problem, Value } from '../api/types';
import { localTime, UNKNOWN, utcTime } from './format';

export function Time({ at }: { at: Value | undefined }) {
  const text = localTime(at);
  return text === UNKNOWN ? <Unknown /> : <time title={utcTime(at)}>{text}</time>;
}

export function Unknown() {
  return <span className="unknown">{UNKNOWN}</span>;
}

/** The sign and name of a protocol, always in the same colour. */
export function Protocol({ name }: { name: string | null }) {
  if (name === null) return <Unknown />;
  return (
    <span className="protocol">
      <i data-protocol={name.replace(/\d+$/, '').toLowerCase()} />
      {name}
    </span>
  );
}

export function ProblemNote({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <div className="note problem" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail !== null && problem.detail !== problem.title && <p>{problem.detail}</p>}
      {problem.hint !== null && <p className="hint">{problem.hint}</p>}
      {again !== undefined && (
        <button type="button" className="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="note empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** How long "copied" stays, in milliseconds. */
const COPIED_MS = 1500;

export function Copy({ label, title, text }: { label: string; title?: string; text: () => string }) {
  const [said, setSaid] = useState<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    // The clipboard is missing on plain http from another machine; the old way still works there.
    const done = await navigator.clipboard?.writeText(text()).then(
      () => true,
      () => false,
    );
    setSaid(done === true || copyBySelection(text()) ? 'Copied' : 'Not allowed');
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSaid(null), COPIED_MS);
  };
  return (
    <button type="button" className="button" title={title} onClick={() => void copy()}>
      <span aria-live="polite">{said ?? label}</span>
    </button>
  );
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
