// Where an error stands in the query.

/** A 1-based position counted in characters (code points) → the word there, in UTF-16 offsets as the editor counts. */
export function errorSpan(query: string, position: number | null): { from: number; to: number } | null {
  if (position === null || position < 1 || query === '') return null;
  let from = 0;
  let characters = 1;
  while (characters < position && from < query.length) {
    from += (query.codePointAt(from) ?? 0) > 0xffff ? 2 : 1;
    characters += 1;
  }
  // An error at the end of the text is marked on its last word.
  if (from >= query.length) from = Math.max(0, query.trimEnd().length - 1);
  const word = /^[\w.]+/.exec(query.slice(from));
  return { from, to: Math.min(query.length, from + (word?.[0].length ?? 1)) };
}
