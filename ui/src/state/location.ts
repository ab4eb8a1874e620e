// The address bar as React state.
import { useMemo, useSyncExternalStore } from 'react';
import { readUrl, writeUrl, type View } from './url';

const changed = new EventTarget();

function subscribe(listener: () => void): () => void {
  changed.addEventListener('change', listener);
  window.addEventListener('popstate', listener);
  return () => {
    changed.removeEventListener('change', listener);
    window.removeEventListener('popstate', listener);
  };
}

const current = () => window.location.pathname + window.location.search;

export function useView(): View {
  const address = useSyncExternalStore(subscribe, current);
  return useMemo(() => {
    const cut = address.indexOf('?');
    return cut < 0 ? readUrl(address, '') : readUrl(address.slice(0, cut), address.slice(cut));
  }, [address]);
}

/** Goes to a changed view. `replace` leaves no step for the back button: for typing and moving along a list. */
export function go(change: Partial<View>, replace = false): void {
  const next = { ...readUrl(window.location.pathname, window.location.search), ...change };
  const address = writeUrl(next);
  if (address === current()) return;
  if (replace) window.history.replaceState(null, '', address);
  else window.history.pushState(null, '', address);
  changed.dispatchEvent(new Event('change'));
}

/** The address of a changed view, for a real link. */
export function linkTo(view: View, change: Partial<View>): string {
  return writeUrl({ ...view, ...change });
}
