// CodeMirror as a React part: completion from the catalogue, the error at its place.
import { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap, completionStatus } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { sql } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics } from '@codemirror/lint';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useImperativeHandle, useRef, type Ref } from 'react';
import type { Problem, Table } from '../../api/types';
import { dialect } from './dialect';
import { errorSpan } from './error-span';

export interface EditorHandle {
  insert: (text: string) => void;
  focus: () => void;
}

interface Props {
  ref: Ref<EditorHandle>;
  text: string;
  tables: Table[] | null;
  problem: Problem | null;
  /** The query that the problem is about. */
  asked: string | null;
  onChange: (text: string) => void;
  onRun: (text: string) => void;
  onCancel: () => void;
}

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--dns)' },
]);

function language(tables: Table[] | null) {
  const schema: Record<string, { label: string; detail: string; info: string; type: string }[]> = {};
  for (const table of tables ?? []) {
    schema[table.name] = table.columns.map((column) => ({
      label: column.name,
      detail: column.unit ?? column.type.toLowerCase(),
      info: column.meaning,
      type: 'property',
    }));
  }
  return sql({ dialect, schema, defaultTable: 'requests', upperCaseKeywords: true });
}

export function Editor(props: Props) {
  const { ref, text, tables, problem, asked } = props;
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const newest = useRef(props);
  const schema = useRef(new Compartment());
  useEffect(() => {
    newest.current = props;
  });

  useEffect(() => {
    const run = (editor: EditorView) => {
      closeCompletion(editor);
      newest.current.onRun(editor.state.doc.toString());
      return true;
    };
    const escape = (editor: EditorView) => {
      if (completionStatus(editor.state) !== null) return false;
      newest.current.onCancel();
      return true;
    };
    const editor = new EditorView({
      parent: box.current as HTMLDivElement,
      state: EditorState.create({
        doc: newest.current.text,
        extensions: [
          Prec.highest(keymap.of([{ key: 'Mod-Enter', run }])),
          lineNumbers(),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, { key: 'Escape', run: escape }, ...historyKeymap, ...defaultKeymap, indentWithTab]),
          schema.current.of(language(newest.current.tables)),
          syntaxHighlighting(colours),
          placeholder('SELECT … FROM requests'),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': 'SQL query' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) newest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    editor.focus();
    return () => {
      view.current = null;
      editor.destroy();
    };
  }, []);

  useEffect(() => {
    view.current?.dispatch({ effects: schema.current.reconfigure(language(tables)) });
  }, [tables]);

  useEffect(() => {
    const editor = view.current;
    if (editor === null || editor.state.doc.toString() === text) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });
  }, [text]);

  useEffect(() => {
    const editor = view.current;
    if (editor === null) return;
    const current = editor.state.doc.toString();
    const span = problem === null || asked !== current ? null : errorSpan(current, problem.position);
    const marks = span === null || problem === null ? [] : [{ ...span, severity: 'error' as const, message: problem.message }];
    editor.dispatch(setDiagnostics(editor.state, marks));
    if (span !== null) editor.dispatch({ effects: EditorView.scrollIntoView(span.from) });
  }, [problem, asked]);

  useImperativeHandle(ref, () => ({
    insert: (inserted) => {
      const editor = view.current;
      if (editor === null) return;
      editor.dispatch(editor.state.replaceSelection(spaced(editor.state, inserted)), { scrollIntoView: true });
      editor.focus();
    },
    focus: () => view.current?.focus(),
  }));

  return <div className="editor" ref={box} />;
}

/** A name put at the cursor, apart from the word before it. */
function spaced(state: EditorState, text: string): string {
  const from = state.selection.main.from;
  const before = state.sliceDoc(Math.max(0, from - 1), from);
  return /[\w"]/.test(before) ? ` ${text}` : text;
}
