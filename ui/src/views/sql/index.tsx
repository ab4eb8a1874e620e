// SQL: catalogue, editor, results.
import { useCallback, useEffect, useRef, useState } from 'react';
import { Popover } from '../../parts/popover';
import { typing, useKeys } from '../../parts/keys';
import { queryHistory, rememberQuery } from '../../state/kept';
import { go } from '../../state/location';
import { useTables } from '../../state/tables';
import type { View } from '../../state/url';
import { Catalogue } from './catalogue';
import { Editor, type EditorHandle } from './editor';
import { EXAMPLES } from './examples';
import { Results } from './results';
import { useRun } from './use-run';

export default function SqlView({ view }: { view: View }) {
  const { tables, problem } = useTables();
  const [text, setText] = useState(view.query ?? queryHistory()[0] ?? EXAMPLES[0]?.query ?? '');
  const [history, setHistory] = useState(queryHistory);
  const editor = useRef<EditorHandle>(null);
  const { state, run, cancel } = useRun();

  const start = useCallback(
    (query: string) => {
      if (query.trim() === '') return;
      go({ query }, view.query === null);
      setHistory(rememberQuery(query));
      run(query);
    },
    [run, view.query],
  );

  // A link that carries a query shows its result: queries only read. Back and forward too.
  const shown = useRef<string | null>(null);
  useEffect(() => {
    if (view.query === null || view.query === shown.current) return;
    shown.current = view.query;
    if (state.query === view.query) return;
    setText(view.query);
    run(view.query);
  }, [view.query, run, state.query]);

  useKeys((event) => {
    if (event.key === 'Escape' && state.running) cancel();
    if (event.key === '/' && !typing(event)) {
      event.preventDefault();
      document.querySelector<HTMLInputElement>('.catalogue input')?.focus();
    }
  });

  const choose = (query: string) => {
    setText(query);
    editor.current?.focus();
  };
  return (
    <div className="sql">
      <Catalogue tables={tables} problem={problem} onInsert={(name) => editor.current?.insert(name)} onQuery={(query) => { setText(query); start(query); }} />
      <main className="sql-main">
        <Editor ref={editor} text={text} tables={tables} problem={state.problem} asked={state.query} onChange={setText} onRun={start} onCancel={cancel} />
        <Results state={state} tables={tables}>
          {state.running ? (
            <button type="button" className="button" onClick={cancel}>
              Cancel <kbd>Esc</kbd>
            </button>
          ) : (
            <button type="button" className="button main" onClick={() => start(text)}>
              Run
            </button>
          )}
          {!state.running && <kbd>{/Mac/.test(navigator.userAgent) ? '⌘' : 'Ctrl'} ⏎</kbd>}
          <Popover label="Examples" title="Queries to start with">
            {(close) => <QueryChoice list={EXAMPLES} choose={(query) => { close(); choose(query); }} />}
          </Popover>
          <Popover label="History" title="Your last queries, kept in this browser">
            {(close) =>
              history.length === 0 ? (
                <p className="quiet">The queries that you run will be kept here, in this browser only.</p>
              ) : (
                <QueryChoice list={history.map((query) => ({ title: null, query }))} choose={(query) => { close(); choose(query); }} />
              )
            }
          </Popover>
        </Results>
      </main>
    </div>
  );
}

function QueryChoice({ list, choose }: { list: { title: string | null; query: string }[]; choose: (query: string) => void }) {
  return (
    <div className="query-choice">
      {list.map(({ title, query }) => (
        <button key={query} type="button" onClick={() => choose(query)}>
          {title !== null && <strong>{title}</strong>}
          <code>{query}</code>
        </button>
      ))}
    </div>
  );
}
