// Small things kept in the browser between visits. Storage that is full or forbidden is not an error.

export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(`earshot.${key}`, JSON.stringify(value));
  } catch {
    // Private windows refuse: the page then forgets, and works.
  }
}

export function kept<T>(key: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`earshot.${key}`);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

export type Theme = 'system' | 'light' | 'dark';

export function readTheme(): Theme {
  const theme = kept<Theme>('theme', 'system');
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const QUERIES_MAX = 30;

export function queryHistory(): string[] {
  const list = kept<unknown>('queries', []);
  return Array.isArray(list) ? list.filter((query) => typeof query === 'string') : [];
}

export function rememberQuery(query: string): string[] {
  const list = [query, ...queryHistory().filter((old) => old !== query)].slice(0, QUERIES_MAX);
  keep('queries', list);
  return list;
}
